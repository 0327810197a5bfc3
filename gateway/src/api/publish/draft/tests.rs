#![allow(clippy::unwrap_used)] // a test whose own message is refused should fail there
use super::*;
use proptest::prelude::*;
use pulsegate_proto::frame::decode_message;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn draft(text: &str) -> Result<Draft, Problem> {
    let app = AppId::parse("demo").unwrap();
    let frame = Frame { app: &app, now: NOW, retention: WEEK };
    read(text.as_bytes(), &frame, KeySource::Header(None)).map(|asked| asked.draft)
}

fn message(text: &str) -> Message {
    decode_message(&draft(text).unwrap().body).unwrap()
}

#[test]
fn ext_travels_as_the_publishers_bytes() {
    let ext = r#"{ "b" : 1.0e2,"a":[ null ,"é\u00e9"],  "b":2 }"#;
    let message = message(&format!(r#"{{"target":{{"topic":"t"}},"ext": {ext} ,"body":"x"}}"#));
    assert_eq!(message.body.ext, ext);
    assert_eq!((message.body.app.as_str(), message.body.body.as_str()), ("demo", "x"));
}

#[test]
fn times_are_written_alike_into_draft_and_body() {
    let times = |more: &str| {
        let text = format!(r#"{{"target":{{"topic":"t"}}{more}}}"#);
        let draft = draft(&text).unwrap();
        let message = decode_message(&draft.body).unwrap();
        assert_eq!((message.id, message.published), (draft.id, NOW));
        assert_eq!(message.expires, draft.expires(WEEK));
        (draft.is_live_only(), message.expires.0 - NOW.0)
    };
    assert_eq!(times(""), (false, 7 * 86_400_000));
    assert_eq!(times(r#","ttl_s":60"#), (false, 60_000));
    assert_eq!(times(r#","ttl_s":0"#), (true, 0));
    assert_eq!(times(r#","ttl_s":4294967295"#), (false, 7 * 86_400_000), "never beyond the retention");
    let later = r#","ttl_s":60,"deliver_at":"2027-01-16T08:00:00Z""#;
    let ahead = time::parse("2027-01-16T08:00:00Z").unwrap().0 - NOW.0;
    assert!(ahead > 0);
    assert_eq!(times(later), (false, ahead + 60_000), "the time-to-live counts from deliver_at");
    let past = r#","ttl_s":60,"deliver_at":"2020-01-01T00:00:00Z""#;
    assert_eq!(times(past), (false, 60_000));
}

#[test]
fn the_message_carries_what_a_person_sees() {
    let message = message(
        r#"{"target":{"topic":"t"},"urgency":"very-low","collapse_key":"c",
            "notification":{"title":"T","tag":"m1","renotify":true,"actions":[{"action":"a","title":"A","url":"/x"}]}}"#,
    );
    let notification = message.notification.unwrap();
    assert_eq!((notification.title.as_str(), notification.tag.as_str()), ("T", "m1"));
    assert!(notification.renotify && !notification.silent);
    assert_eq!(notification.actions[0].url, "/x");
    assert_eq!((message.urgency, message.collapse_key.as_str()), (Urgency::VeryLow, "c"));
}

#[test]
fn the_hash_is_of_what_was_asked_for_not_of_how_it_was_written() {
    let hash = |text: &str| {
        let app = AppId::parse("demo").unwrap();
        let frame = Frame { app: &app, now: NOW, retention: WEEK };
        let draft = read(text.as_bytes(), &frame, KeySource::Header(Some("k"))).unwrap().draft;
        draft.idempotency.unwrap().hash
    };
    let one = hash(r#"{"target":{"users":["a","b"]},"body":"x"}"#);
    assert_eq!(one, hash(r#" { "body" : "\u0078", "target" : { "users" : [ "a" , "b" ] } } "#));
    for other in [
        r#"{"target":{"users":["ab"]},"body":"x"}"#,
        r#"{"target":{"users":["a","b"]},"body":"y"}"#,
        r#"{"target":{"users":["a","b"],"exclude":{"users":["c"]}},"body":"x"}"#,
        r#"{"target":{"users":["a","b"]},"body":"x","ttl_s":5}"#,
        r#"{"target":{"users":["a","b"]},"body":"x","urgency":"low"}"#,
        r#"{"target":{"registrations":["a","b"]},"body":"x"}"#,
    ] {
        assert_ne!(one, hash(other), "{other}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_draft_or_a_problem(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let app = AppId::parse("demo").unwrap();
        let frame = Frame { app: &app, now: NOW, retention: WEEK };
        let _ = read(&bytes, &frame, KeySource::Line);
    }

    #[test]
    fn a_mutated_message_never_panics(at in 0usize..120, to in any::<u8>()) {
        let mut bytes = br#"{"target":{"topic":"a","exclude":{"users":["u"]}},"notification":{"title":"t","actions":[]},"ext":{"a":1},"ttl_s":5}"#.to_vec();
        let at = at % bytes.len();
        bytes[at] = to;
        let app = AppId::parse("demo").unwrap();
        let frame = Frame { app: &app, now: NOW, retention: WEEK };
        let _ = read(&bytes, &frame, KeySource::Line);
    }
}
