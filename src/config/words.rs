//! The words that a setting with a choice can have, and what each stands for.

use super::account::{
    AliasesIn, Chunking, DnsTrust, EightBit, Family, KeepOriginal, LongLines, MtaSts, Partial, TlsPolicy, Unsigned,
};
use super::settings::{LogTo, Roots};
use crate::envelope::Returned;

pub(super) const TLS: &[(&str, TlsPolicy)] =
    &[("required", TlsPolicy::Required), ("opportunistic", TlsPolicy::Opportunistic), ("none", TlsPolicy::None)];
pub(super) const ROOTS: &[(&str, Roots)] =
    &[("both", Roots::Both), ("system", Roots::System), ("built-in", Roots::BuiltIn)];
pub(super) const IP: &[(&str, Family)] = &[("any", Family::Any), ("4", Family::V4), ("6", Family::V6)];
pub(super) const DNS_TRUST: &[(&str, DnsTrust)] =
    &[("auto", DnsTrust::Auto), ("always", DnsTrust::Always), ("never", DnsTrust::Never)];
pub(super) const MTA_STS: &[(&str, MtaSts)] = &[("auto", MtaSts::Auto), ("never", MtaSts::Never)];
pub(super) const PARTIAL: &[(&str, Partial)] = &[("deliver", Partial::Deliver), ("all-or-none", Partial::AllOrNone)];
pub(super) const EIGHT_BIT: &[(&str, EightBit)] =
    &[("encode", EightBit::Encode), ("send", EightBit::Send), ("refuse", EightBit::Refuse)];
pub(super) const LONG_LINES: &[(&str, LongLines)] =
    &[("encode", LongLines::Encode), ("pass", LongLines::Pass), ("refuse", LongLines::Refuse)];
pub(super) const ALIASES_IN: &[(&str, AliasesIn)] =
    &[("envelope", AliasesIn::Envelope), ("envelope-and-header", AliasesIn::EnvelopeAndHeader)];
pub(super) const REWRITE_FROM: &[(&str, Option<KeepOriginal>)] =
    &[("never", None), ("name", Some(KeepOriginal::InName)), ("reply-to", Some(KeepOriginal::InReplyTo))];
pub(super) const RETURNED: &[(&str, Returned)] = &[("full", Returned::Full), ("hdrs", Returned::Headers)];
pub(super) const CHUNKING: &[(&str, Chunking)] = &[
    ("auto", Chunking::Auto),
    ("never", Chunking::Never),
    ("always", Chunking::Always),
    ("same-flight", Chunking::SameFlight),
];
pub(super) const UNSIGNED: &[(&str, Unsigned)] = &[("send", Unsigned::Send), ("refuse", Unsigned::Refuse)];
pub(super) const LOG: &[(&str, LogTo)] =
    &[("none", LogTo::None), ("syslog", LogTo::Syslog), ("journal", LogTo::Journal), ("file", LogTo::File)];
