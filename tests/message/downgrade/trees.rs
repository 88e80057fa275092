//! Trees of parts at random, and what a reader finds in them before and after.

use super::reader::leaves;
use super::{framed, read, seven_bit};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Node {
    Leaf { labels: Vec<&'static str>, content: Vec<u8> },
    Several { subtype: &'static str, label: &'static str, preamble: &'static str, parts: Vec<Node> },
    Message { label: &'static str, fields: &'static str, content: Box<Node> },
}

const TYPES: [&str; 7] = [
    "Content-Type: text/plain; charset=utf-8\n",
    "Content-Type: text/html;\n\tcharset=\"utf-8\"\n",
    "Content-Type: application/octet-stream\n",
    "content-type: image/svg+xml; name=\"ü.svg\"\n",
    "Content-Type: application/json\nContent-Disposition: attachment; filename=\"Grüße \\\"1\\\".json\"\n",
    "Content-Type: text/plain (comment); charset=iso-8859-1\n",
    "Content-Description: ein Stück Text\nContent-Type: text/csv; charset=utf-8; header=present\n",
];
const LABELS: [&str; 5] = [
    "",
    "Content-Transfer-Encoding: 8bit\n",
    "Content-Transfer-Encoding: 8bit\n",
    "content-transfer-encoding:\n 8BIT\n",
    "Content-Transfer-Encoding: binary\n",
];

fn leaf() -> impl Strategy<Value = Node> {
    let line = prop::collection::vec(
        prop_oneof![
            4 => prop::sample::select(vec!["a", " ", "é", "=", "-", "--", "日本", ".", "From ", "\t", "=C3"])
                .prop_map(str::to_owned),
            1 => (60usize..90).prop_map(|length| "x".repeat(length)),
        ],
        0..8,
    );
    let content = prop::collection::vec(line.prop_map(|pieces| pieces.concat()), 0..6);
    (prop::sample::select(TYPES.to_vec()), prop::sample::select(LABELS.to_vec()), content).prop_map(
        |(kind, label, lines)| {
            // What is called binary has no lines but where it is text.
            let label = if kind.contains("text/") || !label.contains("binary") { label } else { LABELS[1] };
            Node::Leaf { labels: vec![kind, label], content: lines.join("\n").into_bytes() }
        },
    )
}

fn tree() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let several = (
            prop::sample::select(vec!["mixed", "alternative", "related", "report"]),
            prop::sample::select(LABELS.to_vec()),
            prop::sample::select(vec!["", "preamble\n", "Präambel\n-- ä\n"]),
            prop::collection::vec(inner.clone(), 1..4),
        );
        let fields =
            prop::sample::select(vec!["", "Subject: inner\nFrom: J\u{f6}rg <a@b.test>\n", "MIME-Version: 1.0\n"]);
        prop_oneof![
            several.prop_map(|(subtype, label, preamble, parts)| Node::Several { subtype, label, preamble, parts }),
            (prop::sample::select(LABELS.to_vec()), fields, inner).prop_map(|(label, fields, content)| Node::Message {
                label,
                fields,
                content: Box::new(content)
            }),
        ]
    })
}

impl Node {
    /// The contents of the leaves, with CRLF.
    fn contents(&self, found: &mut Vec<Vec<u8>>) {
        match self {
            Node::Leaf { content, .. } => {
                found.push(String::from_utf8_lossy(content).replace('\n', "\r\n").into_bytes())
            }
            Node::Several { parts, .. } => parts.iter().for_each(|part| part.contents(found)),
            Node::Message { content, .. } => content.contents(found),
        }
    }

    /// Whether a delimiter follows the last leaf.
    fn is_closed(&self) -> bool {
        match self {
            Node::Leaf { .. } => false,
            Node::Several { .. } => true,
            Node::Message { content, .. } => content.is_closed(),
        }
    }

    /// How deep messages stand in messages.
    fn messages(&self) -> usize {
        match self {
            Node::Leaf { .. } => 0,
            Node::Several { parts, .. } => parts.iter().map(Node::messages).max().unwrap_or(0),
            Node::Message { content, .. } => 1 + content.messages(),
        }
    }

    /// Header and content, without a line end behind the last line.
    fn write(&self, number: &mut usize, out: &mut Vec<u8>) {
        match self {
            Node::Leaf { labels, content } => {
                labels.iter().for_each(|label| out.extend_from_slice(label.as_bytes()));
                out.push(b'\n');
                out.extend_from_slice(content);
            }
            Node::Several { subtype, label, preamble, parts } => {
                // Each boundary begins with another one.
                let boundary = format!("b{}", "1".repeat(*number));
                *number += 1;
                out.extend_from_slice(
                    format!("Content-Type: multipart/{subtype}; boundary={boundary}\n{label}\n").as_bytes(),
                );
                out.extend_from_slice(preamble.as_bytes());
                for (at, part) in parts.iter().enumerate() {
                    let line_end = if at > 0 { "\n" } else { "" };
                    out.extend_from_slice(format!("{line_end}--{boundary}\n").as_bytes());
                    part.write(number, out);
                }
                out.extend_from_slice(format!("\n--{boundary}--\nEpilog, schön").as_bytes());
            }
            Node::Message { label, fields, content } => {
                out.extend_from_slice(format!("Content-Type: message/rfc822\n{label}\n{fields}").as_bytes());
                content.write(number, out);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// P-250 P-251 P-357
    #[test]
    fn a_reader_finds_the_same_in_a_tree(tree in tree()) {
        let mut text = b"Subject: s\nMIME-Version: 1.0\n".to_vec();
        tree.write(&mut 0, &mut text);
        let after = seven_bit(&text);
        prop_assert!(after.lines().all(|line| line.len() <= 998), "{}", after);
        let mut contents = Vec::new();
        tree.contents(&mut contents);
        // What no delimiter follows has a line end on the wire.
        if let (false, Some(last)) = (tree.is_closed(), contents.last_mut())
            && !last.is_empty() && !last.ends_with(b"\r\n")
        {
            last.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(leaves(&framed(after.as_bytes()).0), contents, "{}\n------\n{}", String::from_utf8_lossy(&text), after);
        // The oracle panics over messages in messages.
        prop_assume!(tree.messages() < 2);
        prop_assert_eq!(read(after.as_bytes()), read(&text), "{}\n------\n{}", String::from_utf8_lossy(&text), after);
        // Nothing is left to do.
        prop_assert_eq!(&seven_bit(after.as_bytes()), &after);
        prop_assert!(framed(after.as_bytes()).0.is_ascii());
    }
}
