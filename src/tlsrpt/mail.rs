//! A report as a message (RFC 8460 section 5.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Report;
use crate::address::Address;

/// Characters of a line of base64.
const LINE: usize = 76;

/// The message with a report for these, with plain line feeds. `date` is as it stands in the header.
///
/// The report in it is not compressed, which RFC 8460 section 5.3 leaves to the sender: those of a client are small.
pub fn message(report: &Report, to: &[&Address], date: &str) -> String {
    let (domain, submitter, id) = (report.domain(), report.submitter(), report.id());
    let day = report.day();
    let boundary = format!("=_tlsrpt_{day}");
    let to: Vec<&str> = to.iter().map(|address| address.as_str()).collect();
    let (good, bad) = report.counts();
    let name = format!("{submitter}!{domain}!{}!{}.json", day.begin(), day.end());
    let json = lines(&STANDARD.encode(report.json()));
    let (from, to) = (report.contact(), to.join(",\n "));
    format!(
        "From: {from}\n\
         To: {to}\n\
         Date: {date}\n\
         Message-ID: <tlsrpt_{id}>\n\
         Subject: Report Domain: {domain}\n Submitter: {submitter}\n Report-ID: <{id}>\n\
         TLS-Report-Domain: {domain}\n\
         TLS-Report-Submitter: {submitter}\n\
         TLS-Required: No\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\";\n boundary=\"{boundary}\"\n\
         \n\
         --{boundary}\n\
         Content-Type: text/plain; charset=us-ascii\n\
         \n\
         This is a report on TLS by {submitter}: of its sessions with the mail servers\n\
         of {domain}\n\
         on {day} (UTC), {good} went well and {bad} failed.\n\
         \n\
         --{boundary}\n\
         Content-Type: application/tlsrpt+json\n\
         Content-Disposition: attachment;\n filename=\"{name}\"\n\
         Content-Transfer-Encoding: base64\n\
         \n\
         {json}\
         --{boundary}--\n"
    )
}

fn lines(base64: &str) -> String {
    let mut text = String::with_capacity(base64.len() + base64.len() / LINE + 1);
    for (at, c) in base64.char_indices() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text + "\n"
}
