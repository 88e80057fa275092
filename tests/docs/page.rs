//! A manual page in mdoc, read as far as the tests ask.

use std::collections::BTreeSet;

use super::file;

/// A manual page.
pub struct Page {
    source: String,
}

/// One `.It` with what stands below it, up to the next one of the same list.
pub struct Item {
    /// The words behind `.It`.
    pub head: String,
    /// The lines below.
    pub body: Vec<String>,
}

impl Page {
    #[track_caller]
    pub fn read(name: &str) -> Page {
        Page { source: file(&format!("man/{name}")) }
    }

    /// The lines of a `.Sh`, or of a `.Ss` wherever it stands.
    #[track_caller]
    pub fn section(&self, title: &str) -> Vec<&str> {
        let lines = || self.source.lines();
        for (macro_name, ends) in [(".Sh", &[".Sh "][..]), (".Ss", &[".Sh ", ".Ss "])] {
            let heading = format!("{macro_name} {title}");
            if lines().any(|line| line == heading) {
                let below = lines().skip_while(|line| *line != heading).skip(1);
                return below.take_while(|line| !ends.iter().any(|end| line.starts_with(end))).collect();
            }
        }
        panic!("there is no section {title}");
    }

    /// The titles of the `.Ss` in a `.Sh`.
    pub fn subsections(&self, title: &str) -> Vec<&str> {
        self.section(title).into_iter().filter_map(|line| line.strip_prefix(".Ss ")).collect()
    }

    /// The blocks `.Bd -literal` in these lines, as a reader sees them.
    pub fn literals(lines: &[&str]) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<String> = None;
        for line in lines {
            match (&mut open, *line) {
                (None, line) if line.starts_with(".Bd -literal") => open = Some(String::new()),
                (Some(_), ".Ed") => blocks.extend(open.take()),
                (Some(block), line) => {
                    block.push_str(&line.replace("\\&", "").replace("\\e", "\\"));
                    block.push('\n');
                }
                (None, _) => {}
            }
        }
        blocks
    }

    pub fn lines(&self) -> Vec<&str> {
        self.source.lines().collect()
    }
}

/// The items of the outermost lists in these lines.
pub fn items(lines: &[&str]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut depth = 0;
    for line in lines {
        match line.split(' ').next() {
            Some(".Bl") => depth += 1,
            Some(".El") => depth -= 1,
            Some(".It") if depth == 1 => {
                items.push(Item { head: line[4..].to_owned(), body: Vec::new() });
                continue;
            }
            _ => {}
        }
        if depth > 0
            && let Some(item) = items.last_mut()
        {
            item.body.push((*line).to_owned());
        }
    }
    items
}

/// The options in the heads of these items: `-a`, `--account`.
pub fn flags(items: &[Item]) -> BTreeSet<String> {
    items.iter().flat_map(|item| arguments(&item.head, "Fl")).map(|name| format!("-{name}")).collect()
}

/// The words that follow a macro in a line.
pub fn arguments(line: &str, macro_name: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    words.windows(2).filter(|pair| pair[0] == macro_name).map(|pair| pair[1].to_owned()).collect()
}
