//! The events of a day for one domain, summed up (RFC 8460 section 4.4).

use std::net::IpAddr;

use serde::Serialize;

use super::day::Day;
use super::event::{Event, PolicyType};
use super::failure::FailureType;

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// The domain for which mail was sent.
    pub domain: String,
    /// The address of somebody who can be asked.
    pub contact: String,
}

/// A report for the owner of one domain, of one day. As JSON it has the names of the RFC.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    organization_name: String,
    date_range: DateRange,
    contact_info: String,
    /// The same for the same day, domain and reporter, so that a report that comes twice counts once.
    report_id: String,
    policies: Vec<Policy>,
    #[serde(skip)]
    domain: String,
    #[serde(skip)]
    day: Day,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct DateRange {
    start_datetime: String,
    end_datetime: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    policy: Description,
    summary: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_details: Vec<Details>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Description {
    policy_type: PolicyType,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy_string: Vec<String>,
    policy_domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mx_host: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Summary {
    total_successful_session_count: u64,
    total_failure_session_count: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Details {
    result_type: FailureType,
    #[serde(skip_serializing_if = "Option::is_none")]
    sending_mta_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_mx_hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_mx_helo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_ip: Option<IpAddr>,
    failed_session_count: u64,
    failure_reason_code: String,
}

impl Report {
    /// Sums up the events for one domain among those of a day.
    pub fn of(day: Day, domain: &str, events: &[Event], reporter: &Reporter) -> Self {
        let mut policies: Vec<Policy> = Vec::new();
        for event in events.iter().filter(|event| event.domain == domain) {
            let policy = Description::of(event);
            let at = policies.iter().position(|known| known.policy == policy).unwrap_or_else(|| {
                policies.push(Policy { policy, summary: Summary::default(), failure_details: Vec::new() });
                policies.len() - 1
            });
            if let Some(known) = policies.get_mut(at) {
                known.add(event);
            }
        }
        Report {
            organization_name: reporter.domain.clone(),
            date_range: DateRange {
                start_datetime: format!("{day}T00:00:00Z"),
                end_datetime: format!("{day}T23:59:59Z"),
            },
            contact_info: reporter.contact.clone(),
            report_id: format!("{day}_{domain}@{}", reporter.domain),
            policies,
            domain: domain.to_owned(),
            day,
        }
    }

    /// It, in JSON on one line.
    pub fn json(&self) -> String {
        // A value of strings and numbers with string keys cannot fail to become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whose report it is.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The day that it is about.
    pub fn day(&self) -> Day {
        self.day
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        &self.report_id
    }

    /// Who made it.
    pub fn submitter(&self) -> &str {
        &self.organization_name
    }

    /// An address of whoever made it.
    pub fn contact(&self) -> &str {
        &self.contact_info
    }

    /// Sessions that were a success, and those that were none.
    pub fn counts(&self) -> (u64, u64) {
        let sum = |count: fn(&Summary) -> u64| self.policies.iter().map(|policy| count(&policy.summary)).sum();
        (sum(|summary| summary.total_successful_session_count), sum(|summary| summary.total_failure_session_count))
    }
}

impl Description {
    fn of(event: &Event) -> Self {
        Description {
            policy_type: event.policy_type,
            policy_string: event.policy_string.clone(),
            policy_domain: event.policy_domain.clone(),
            mx_host: event.mx_host.clone(),
        }
    }
}

impl Policy {
    fn add(&mut self, event: &Event) {
        let Some(failure) = &event.failure else {
            self.summary.total_successful_session_count += 1;
            return;
        };
        self.summary.total_failure_session_count += 1;
        let is_alike = |known: &&mut Details| {
            (known.result_type, known.sending_mta_ip, known.receiving_ip)
                == (failure.result_type, event.session.sending_mta_ip, event.session.receiving_ip)
                && known.receiving_mx_hostname == event.session.receiving_mx_hostname
                && known.receiving_mx_helo == event.session.receiving_mx_helo
                && known.failure_reason_code == failure.reason
        };
        match self.failure_details.iter_mut().find(is_alike) {
            Some(known) => known.failed_session_count += 1,
            None => self.failure_details.push(Details {
                result_type: failure.result_type,
                sending_mta_ip: event.session.sending_mta_ip,
                receiving_mx_hostname: event.session.receiving_mx_hostname.clone(),
                receiving_mx_helo: event.session.receiving_mx_helo.clone(),
                receiving_ip: event.session.receiving_ip,
                failed_session_count: 1,
                failure_reason_code: failure.reason.clone(),
            }),
        }
    }
}
