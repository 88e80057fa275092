//! Deadlines where something is known of the server.

use posthaste::smtp::memory::{Grouping, Habits, Memory, Offer};
use posthaste::smtp::outcome::Cause;
use posthaste::smtp::sasl::Mechanism;
use posthaste::smtp::session::{Chunking, ClearText, LoginMode, Settings};
use posthaste::smtp::stage::Stage;
use tokio::io::AsyncWriteExt;

use crate::{Path, deferred, expect, play_as, settings, text, timeouts};

/// P-411: commands behind AUTH are tried for half a minute, and not for the five minutes that a reply may take: a server that
/// has lost them shall not hold up the next way.
#[tokio::test(start_paused = true)]
async fn a_first_group_behind_the_login_is_not_waited_for_long() {
    for (login, seconds) in [(Grouping::Likely, 30), (Grouping::Proven, 300)] {
        let habits = Habits { login, ..Habits::of(Offer::of(["PIPELINING", "AUTH PLAIN"])) };
        let settings = Settings {
            login: LoginMode::As {
                user: "alice".to_owned(),
                mechanisms: vec![Mechanism::Plain],
                clear_text: ClearText::Allowed,
                nonce: None,
                server: None,
            },
            memory: Memory { habits: Some(habits), ..Memory::default() },
            ..settings(Chunking::Needed)
        };
        let ended = play_as(settings, Path::AsItIs, 1, text(10), timeouts(), |mut stream| async move {
            stream.write_all(b"220 hello\r\n").await.unwrap();
            expect(&mut stream, b"EHLO client.example\r\n").await;
            stream.write_all(b"250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n").await.unwrap();
            expect(
                &mut stream,
                b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n",
            )
            .await;
            stream.write_all(b"235 ok\r\n").await.unwrap();
            std::future::pending().await
        })
        .await;
        assert_eq!((deferred(&ended), ended.after.as_secs()), ((Stage::Mail, Cause::TimedOut), seconds));
    }
}
