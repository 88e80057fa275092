//! Messages in chunks, through paths that are narrow or not.

use std::time::Duration;

use posthaste::smtp::outcome::{Cause, Verdict};
use posthaste::smtp::session::Chunking;
use posthaste::smtp::stage::Stage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Path, Text, deferred, expect, greet, play_by, text, timeouts};

const ENVELOPE: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\n";

/// P-070 P-259: the last chunk cannot leave, and the yes is there already. Its last octet is held back.
#[tokio::test(start_paused = true)]
async fn a_yes_before_the_last_chunk_has_left_counts_for_nothing() {
    for yes in ["250 taken\r\n", "250-taken\r\n", "25"] {
        let (tell, told) = tokio::sync::oneshot::channel();
        let message = text(50_000);
        let size = message.wire_size();
        let ended =
            play_by(Chunking::AfterRecipients, Path::Narrow, 1, message, timeouts(), move |mut stream| async move {
                greet(&mut stream, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
                expect(&mut stream, ENVELOPE).await;
                stream.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(yes.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                expect(&mut stream, format!("BDAT {size} LAST\r\n").as_bytes()).await;
                let mut chunk = Vec::new();
                let _ =
                    tokio::time::timeout(Duration::from_secs(60), (&mut stream).take(200_000).read_to_end(&mut chunk))
                        .await;
                let _ = stream.write_all(if yes == "25" { b"0 taken\r\n" } else { b"250 taken\r\n" }).await;
                let _ = tell.send(chunk.len() as u64);
            });
        let (ended, chunk) = tokio::join!(ended, told);
        assert!(matches!(deferred(&ended), (Stage::Body, Cause::TooEarly(_))), "{yes:?}: {:?}", ended.verdict);
        assert!(chunk.unwrap() < size, "{yes:?}: the message was ended");
    }
}

/// P-089 P-265: in one flight all replies but the last come early by rights, but none before all has left: what is
/// heard then is asked by nothing, and the message is not ended.
#[tokio::test(start_paused = true)]
async fn a_reply_before_the_one_flight_has_left_is_no_reply() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let message = text(12_000);
    let size = message.wire_size();
    let ended = play_by(Chunking::SameFlight, Path::Narrow, 1, message, timeouts(), move |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n250 taken\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut all = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(60), (&mut stream).take(200_000).read_to_end(&mut all)).await;
        let _ = tell.send(all.len() as u64);
    });
    let (ended, all) = tokio::join!(ended, told);
    assert!(matches!(deferred(&ended), (Stage::Body | Stage::Mail, _)), "{:?}", ended.verdict);
    assert!(all.unwrap() < size + ENVELOPE.len() as u64, "the message was ended");
}

/// P-257 P-258: the sum of the chunks is the message, through however narrow a path.
#[tokio::test(start_paused = true)]
async fn chunks_that_leave_in_small_pieces_are_accepted() {
    for (chunking, size) in [(Chunking::AfterRecipients, 700_000), (Chunking::SameFlight, 12_000)] {
        let message = text(size);
        let whole = message.wire_size();
        let ended = play_by(chunking, Path::Narrow, 1, message, timeouts(), move |mut stream| async move {
            greet(&mut stream, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
            expect(&mut stream, ENVELOPE).await;
            if chunking == Chunking::AfterRecipients {
                stream.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
            }
            let mut left = whole;
            while left > 0 {
                let size = left.min(256 * 1024);
                let last = if size == left { " LAST" } else { "" };
                expect(&mut stream, format!("BDAT {size}{last}\r\n").as_bytes()).await;
                let mut chunk = Vec::new();
                (&mut stream).take(size).read_to_end(&mut chunk).await.unwrap();
                assert_eq!(chunk.len() as u64, size);
                left -= size;
                let replies = if chunking == Chunking::SameFlight { "250 ok\r\n250 ok\r\n" } else { "" };
                stream.write_all(format!("{replies}250 taken\r\n").as_bytes()).await.unwrap();
            }
            std::future::pending().await
        })
        .await;
        assert!(matches!(ended.verdict, Verdict::Accepted(_)), "{chunking:?}: {:?}", ended.verdict);
    }
}

/// P-260: a refusal is heard while later chunks go out; none is begun after it.
#[tokio::test(start_paused = true)]
async fn no_chunk_is_begun_after_a_refusal() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let ended =
        play_by(Chunking::AfterRecipients, Path::Narrow, 1, text(5_000_000), timeouts(), |mut stream| async move {
            greet(&mut stream, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
            expect(&mut stream, ENVELOPE).await;
            stream.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
            let mut chunks = 0;
            let mut line = [0; 12];
            loop {
                stream.read_exact(&mut line).await.unwrap();
                if &line != b"BDAT 262144\r" {
                    break;
                }
                chunks += 1;
                let mut chunk = Vec::new();
                (&mut stream).take(262_144 + 1).read_to_end(&mut chunk).await.unwrap();
                stream.write_all(b"452 4.3.1 no space\r\n").await.unwrap();
            }
            let _ = tell.send((chunks, line[..6].to_vec()));
        });
    let (ended, told) = tokio::join!(ended, told);
    let (chunks, next) = told.unwrap();
    assert_eq!(next.escape_ascii().to_string(), "RSET\\r\\n");
    assert!(chunks <= 3, "{chunks} chunks");
    assert!(matches!(deferred(&ended), (Stage::Chunk, Cause::Replied(_))), "{:?}", ended.verdict);
}

/// P-085: a message that is not what was counted is not ended.
#[tokio::test(start_paused = true)]
async fn a_message_of_another_size_is_not_ended() {
    for (told, is) in [(50_000, 49_000), (49_000, 50_000)] {
        let size = text(told).wire_size();
        let (tell, heard) = tokio::sync::oneshot::channel();
        let message = Text { claimed: Some(size), ..text(is) };
        let ended =
            play_by(Chunking::AfterRecipients, Path::AsItIs, 1, message, timeouts(), move |mut stream| async move {
                greet(&mut stream, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
                expect(&mut stream, ENVELOPE).await;
                stream.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all).await;
                let _ = tell.send(all.len() as u64);
            });
        let (ended, all) = tokio::join!(ended, heard);
        assert!(matches!(deferred(&ended), (Stage::Body, Cause::Unreadable(_))), "{:?}", ended.verdict);
        assert!(all.unwrap() < size, "the message was ended");
    }
}
