//! `target`: exactly one of seven kinds, with what is excluded.

use crate::api::fields::Fields;
use crate::api::problem::{Code, Problem};
use pulsegate_proto::id::{InvalidName, RegistrationId, Topic, UserId};
use pulsegate_proto::limits;
use pulsegate_routing::{Exclude, Expression, Target};

const KINDS: [&str; 7] = ["registration", "registrations", "user", "users", "topic", "tags", "everyone"];

/// Reads the object.
pub(in crate::api) fn read(mut fields: Fields<'_>) -> Result<(Target, Exclude), Problem> {
    let whole = fields.path_of("");
    let whole = whole.trim_end_matches('.').to_owned();
    let mut found = Vec::new();
    for kind in KINDS {
        if let Some(target) = one(&mut fields, kind)? {
            found.push(target);
        }
    }
    let exclude = match fields.object("exclude")? {
        Some(fields) => read_exclude(fields)?,
        None => Exclude::default(),
    };
    fields.finish()?;
    match (found.pop(), found.is_empty()) {
        (Some(target), true) => Ok((target, exclude)),
        _ => Err(Problem::field(whole, format!("expected exactly one of {}", KINDS.join(", ")))),
    }
}

fn one(fields: &mut Fields<'_>, kind: &str) -> Result<Option<Target>, Problem> {
    let path = fields.path_of(kind);
    Ok(match kind {
        "registration" => fields
            .text(kind)?
            .map(|id| registration(&id, &path).map(|id| Target::Registrations(vec![id])))
            .transpose()?,
        "registrations" => names(fields, kind, registration)?.map(Target::Registrations),
        "user" => fields
            .text(kind)?
            .map(|user| name(UserId::parse(&user), &path).map(|user| Target::Users(vec![user])))
            .transpose()?,
        "users" => names(fields, kind, |user, path| name(UserId::parse(user), path))?.map(Target::Users),
        "topic" => fields
            .text(kind)?
            .map(|topic| name(Topic::parse(&topic), &path).map(Target::Topic))
            .transpose()?,
        "tags" => fields
            .text(kind)?
            .map(|text| {
                Expression::parse(&text)
                    .map(Target::Tags)
                    .map_err(|invalid| Problem::field(&path, invalid.to_string()))
            })
            .transpose()?,
        _ => match fields.boolean(kind)? {
            Some(false) => return Err(Problem::field(path, "expected true")),
            Some(true) => Some(Target::Everyone),
            None => None,
        },
    })
}

fn read_exclude(mut fields: Fields<'_>) -> Result<Exclude, Problem> {
    // One that does not exist excludes nobody: it may have been deleted a moment ago.
    let exclude = Exclude {
        registrations: names(&mut fields, "registrations", registration)?.unwrap_or_default(),
        users: names(&mut fields, "users", |user, path| name(UserId::parse(user), path))?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(exclude)
}

fn names<T>(
    fields: &mut Fields<'_>,
    kind: &str,
    parse: impl Fn(&str, &str) -> Result<T, Problem>,
) -> Result<Option<Vec<T>>, Problem> {
    let path = fields.path_of(kind);
    let Some(texts) = fields.texts(kind)? else {
        return Ok(None);
    };
    if texts.len() > limits::TARGETS {
        return Err(Problem::field(path, format!("at most {} of them", limits::TARGETS)));
    }
    texts
        .iter()
        .enumerate()
        .map(|(i, text)| parse(text, &format!("{path}[{i}]")))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// Something that is no registration id cannot be the id of one.
fn registration(text: &str, path: &str) -> Result<RegistrationId, Problem> {
    RegistrationId::parse(text)
        .map_err(|_| Problem::new(Code::UnknownRegistration, "no such registration").at(path))
}

fn name<T>(parsed: Result<T, InvalidName>, path: &str) -> Result<T, Problem> {
    parsed.map_err(|invalid| Problem::field(path, invalid.to_string()))
}
