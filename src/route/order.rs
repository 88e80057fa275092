//! Order among hosts that count as equal: by chance.

/// Random numbers, or a fixed series where the system gives none: any order is a right one then.
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) fn new() -> Self {
        let mut seed = [0; 8];
        let state = match getrandom::fill(&mut seed) {
            Ok(()) => u64::from_ne_bytes(seed),
            Err(_) => 1,
        };
        Chance { state }
    }

    /// A number below `bound`, which is not zero; SplitMix64. The bias of the remainder is nothing here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// Sorts by a number, and by chance where it is the same (RFC 5321 section 5.1).
pub(super) fn by_preference<T>(mut hosts: Vec<T>, number: impl Fn(&T) -> u16, chance: &mut Chance) -> Vec<T> {
    for at in (1..hosts.len()).rev() {
        hosts.swap(at, chance.below(at as u64 + 1) as usize);
    }
    hosts.sort_by_key(number);
    hosts
}

/// Sorts by priority, and among the same priority by chance in proportion to the weight (RFC 2782, "Usage rules"). A weight
/// of zero has a small chance beside others. Gives the first ones, so many at most: each is a walk through the rest.
pub(super) fn by_weight<T>(
    mut hosts: Vec<T>,
    most: usize,
    priority: impl Fn(&T) -> u16,
    weight: impl Fn(&T) -> u16,
    chance: &mut Chance,
) -> Vec<T> {
    let mut sorted = Vec::new();
    while sorted.len() < most
        && let Some(lowest) = hosts.iter().map(&priority).min()
    {
        let sum: u64 = hosts.iter().filter(|host| priority(host) == lowest).map(|host| u64::from(weight(host))).sum();
        let mut drawn = chance.below(sum + 1);
        // Those of no weight stand first, so that they are chosen where nothing is drawn.
        let mut order: Vec<usize> =
            (0..hosts.len()).filter(|at| hosts.get(*at).is_some_and(|h| priority(h) == lowest)).collect();
        order.sort_by_key(|at| hosts.get(*at).is_some_and(|host| weight(host) > 0));
        // Among several of no weight alone, chance decides too.
        if sum == 0 {
            let turn = chance.below(order.len() as u64) as usize;
            order.rotate_left(turn);
        }
        let mut chosen = order.first().copied().unwrap_or(0);
        for at in order {
            let own = hosts.get(at).map_or(0, |host| u64::from(weight(host)));
            chosen = at;
            if drawn <= own {
                break;
            }
            drawn -= own;
        }
        sorted.push(hosts.swap_remove(chosen));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-111
    #[test]
    fn equal_preference_is_left_to_chance() {
        let mut chance = Chance::new();
        let mut first = [0; 2];
        for _ in 0..1000 {
            let hosts = by_preference(vec![(20, 'c'), (10, 'a'), (10, 'b'), (5, 'd')], |host| host.0, &mut chance);
            assert_eq!((hosts[0], hosts[3]), ((5, 'd'), (20, 'c')));
            first[usize::from(hosts[1].1 == 'b')] += 1;
        }
        assert!(first.iter().all(|count| (400..600).contains(count)), "{first:?}");
    }

    /// P-338: in proportion to the weight; zero is rare, and not never.
    #[test]
    fn weight_is_a_share() {
        let mut chance = Chance::new();
        let mut first = [0; 3];
        for _ in 0..10_000 {
            let hosts = vec![(1, 100, 3), (0, 75, 0), (0, 25, 1), (0, 0, 2)];
            let hosts = by_weight(hosts, 9, |host| host.0, |host| host.1, &mut chance);
            assert_eq!(hosts.len(), 4);
            assert_eq!(hosts[3].2, 3, "priority comes first");
            first[hosts[0].2] += 1;
        }
        assert!((7000..8000).contains(&first[0]) && (2000..3000).contains(&first[1]), "{first:?}");
        assert!((20..300).contains(&first[2]), "{first:?}");
        let mut first = [0; 2];
        for _ in 0..1000 {
            first[by_weight(vec![(0, 0, 0), (0, 0, 1)], 1, |h| h.0, |h| h.1, &mut chance)[0].2] += 1;
        }
        assert!(first.iter().all(|count| (400..600).contains(count)), "{first:?}");
    }
}
