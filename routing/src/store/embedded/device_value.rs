//! The values of registrations and their cursors.

use super::codec::{Damaged, Decoder, Encoder};
use super::value::{read_log, read_registration, read_user, write_log};
use crate::store::model::{Progress, ProgressLog, Row};
use crate::{LastSeenRecord, LinkEnd, MadeBy, Subscription, WebPush};
use core::time::Duration;
use pulsegate_proto::id::{SessionId, Tag, Topic};

pub(crate) fn encode_row(row: &Row) -> Vec<u8> {
    let mut e = Encoder(Vec::with_capacity(192));
    e.text(row.id.as_str()).num(row.revision).raw(&row.secret_hash);
    e.some(row.user.as_ref(), |e, user| {
        e.text(user.as_str());
    });
    e.num(row.began).num(row.user_began);
    e.list(row.tags.iter(), |e, tag| {
        e.text(tag.as_str());
    });
    e.list(row.subscriptions.iter(), |e, s| {
        e.text(s.topic.as_str()).u8(u8::from(s.made_by == MadeBy::Backend)).num(s.began);
    });
    e.time(row.created).time(row.last_seen);
    e.num(u64::try_from(row.idle.as_millis()).unwrap_or(u64::MAX));
    e.num(row.generation).num(row.link);
    e.some(row.session.as_ref(), |e, session| {
        e.text(session.as_str());
    });
    e.text(&row.boot).text(&row.agent).u8(u8::from(row.ephemeral)).num(row.epoch);
    e.some(row.web_push.as_ref(), |e, push| {
        e.text(&push.endpoint).bytes(&push.p256dh).bytes(&push.auth);
    });
    e.some(row.last_link.as_ref(), |e, last| {
        e.text(last.session.as_str()).text(&last.boot).time(last.heard);
        e.u8(u8::from(last.unanswered)).u8(last.end as u8);
    });
    e.0
}

fn read_flag(d: &mut Decoder<'_>) -> Result<bool, Damaged> {
    match d.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damaged),
    }
}

fn read_session(d: &mut Decoder<'_>) -> Result<SessionId, Damaged> {
    SessionId::parse(d.text()?).map_err(|_| Damaged)
}

pub(crate) fn decode_row(payload: &[u8]) -> Result<Row, Damaged> {
    let mut d = Decoder(payload);
    let row = Row {
        id: read_registration(&mut d)?,
        revision: d.num()?,
        secret_hash: d.array()?,
        user: d.some(read_user)?,
        began: d.num()?,
        user_began: d.num()?,
        tags: d.list(|d| Tag::parse(d.text()?).map_err(|_| Damaged))?,
        subscriptions: d.list(|d| {
            Ok(Subscription {
                topic: Topic::parse(d.text()?).map_err(|_| Damaged)?,
                made_by: if read_flag(d)? { MadeBy::Backend } else { MadeBy::Device },
                began: d.num()?,
            })
        })?,
        created: d.time()?,
        last_seen: d.time()?,
        idle: Duration::from_millis(d.num()?),
        generation: d.num()?,
        link: d.num()?,
        session: d.some(read_session)?,
        boot: d.text()?.to_owned(),
        agent: d.text()?.to_owned(),
        ephemeral: read_flag(&mut d)?,
        epoch: d.num()?,
        web_push: d.some(|d| {
            Ok(WebPush {
                endpoint: d.text()?.to_owned(),
                p256dh: d.bytes()?.to_vec(),
                auth: d.bytes()?.to_vec(),
            })
        })?,
        last_link: d.some(|d| {
            Ok(LastSeenRecord {
                session: read_session(d)?,
                boot: d.text()?.to_owned(),
                heard: d.time()?,
                unanswered: read_flag(d)?,
                end: LinkEnd::from_u8(d.u8()?),
            })
        })?,
    };
    d.end()?;
    Ok(row)
}

pub(crate) fn encode_progress(progress: &Progress) -> Vec<u8> {
    let mut e = Encoder(Vec::with_capacity(64));
    e.list(progress.logs.iter(), |e, cursor| {
        write_log(e, &cursor.log);
        e.num(cursor.acked).num(cursor.sent);
    });
    e.0
}

pub(crate) fn decode_progress(payload: &[u8]) -> Result<Progress, Damaged> {
    let mut d = Decoder(payload);
    let logs = d.list(|d| Ok(ProgressLog { log: read_log(d)?, acked: d.num()?, sent: d.num()? }))?;
    d.end()?;
    Ok(Progress { logs })
}
