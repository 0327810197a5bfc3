//! The judge of every fault: what was accepted and has not expired is shown, none twice, in the
//! order of its log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A publish that was answered 202.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The message's id.
    pub id: String,
    /// The logs it went to, by names that tell devices' and users' logs apart: `topic:a`, `user:7`,
    /// `registration:…`.
    pub log: String,
    /// Who published it. One publisher waits for each answer before its next.
    pub publisher: usize,
    /// Counts this publisher's messages.
    pub number: u64,
    /// Its time-to-live may end before everybody was there to be shown it.
    pub may_expire: bool,
}

impl Accepted {
    /// As a line of a ledger.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { id, log, publisher, number, may_expire } = self;
        format!("{id}\t{log}\t{publisher}\t{number}\t{may_expire}")
    }

    /// Reads a ledger's line.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        Self {
            id: fields[0].into(),
            log: fields[1].into(),
            publisher: fields[2].parse().unwrap(),
            number: fields[3].parse().unwrap(),
            may_expire: fields[4].parse().unwrap(),
        }
    }
}

/// A message a device showed to its person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The message's id.
    pub id: String,
    /// Its log, named as in [`Accepted::log`].
    pub log: String,
    /// Its place in the log.
    pub seq: u64,
}

impl Shown {
    /// As a line of a ledger.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}\t{}\t{}", self.id, self.log, self.seq)
    }

    /// Reads a ledger's line.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        Self { id: fields[0].into(), log: fields[1].into(), seq: fields[2].parse().unwrap() }
    }
}

/// What one device should have got and what it showed.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Its name in the verdict.
    pub device: String,
    /// The logs it reads, from before the first publish.
    pub logs: BTreeSet<String>,
    /// What it showed, in order.
    pub shown: Vec<Shown>,
}

/// Counts, and every fault in words.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Messages accepted.
    pub accepted: usize,
    /// Showings there should be: accepted messages that may not expire times the devices they are for.
    pub due: usize,
    /// Showings there were of those.
    pub shown: usize,
    /// Showings of messages that might have expired.
    pub in_time: usize,
    /// What went wrong; empty is well.
    pub faults: Vec<String>,
}

/// Judges.
#[must_use]
pub fn judge(accepted: &[Accepted], witnesses: &[Witness]) -> Verdict {
    let by_id: BTreeMap<&str, &Accepted> = accepted.iter().map(|one| (one.id.as_str(), one)).collect();
    let mut verdict = Verdict { accepted: accepted.len(), ..Verdict::default() };
    if by_id.len() != accepted.len() {
        verdict.faults.push("two publishes were answered with one id".into());
    }
    for witness in witnesses {
        let device = &witness.device;
        let mut seen = BTreeSet::new();
        let mut last_seq: BTreeMap<&str, u64> = BTreeMap::new();
        let mut last_number: BTreeMap<(&str, usize), u64> = BTreeMap::new();
        for shown in &witness.shown {
            let (id, log) = (shown.id.as_str(), shown.log.as_str());
            if !seen.insert(id) {
                verdict.faults.push(format!("{device} showed {id} of {log} twice"));
                continue;
            }
            if last_seq.insert(log, shown.seq).is_some_and(|last| last >= shown.seq) {
                verdict.faults.push(format!("{device} showed {id} of {log} out of order"));
            }
            match by_id.get(id) {
                None => verdict.faults.push(format!("{device} showed {id}, never accepted")),
                Some(origin) if origin.log != log || !witness.logs.contains(log) => {
                    verdict.faults.push(format!("{device} showed {id} of {log}, not for it"));
                }
                Some(origin) => {
                    let count = if origin.may_expire { &mut verdict.in_time } else { &mut verdict.shown };
                    *count += 1;
                    let last = last_number.insert((log, origin.publisher), origin.number);
                    if last.is_some_and(|last| last >= origin.number) {
                        verdict.faults.push(format!(
                            "{device} showed number {} of publisher {} in {log} too late",
                            origin.number, origin.publisher
                        ));
                    }
                }
            }
        }
        for one in accepted.iter().filter(|one| !one.may_expire && witness.logs.contains(&one.log)) {
            verdict.due += 1;
            if !seen.contains(one.id.as_str()) {
                verdict.faults.push(format!("{device} never showed {} of {}", one.id, one.log));
            }
        }
    }
    verdict
}

impl Verdict {
    /// Fails a test with the faults in words.
    ///
    /// # Panics
    /// If there is one, or nothing was accepted at all.
    pub fn assert_clean(&self) {
        assert!(self.accepted > 0, "nothing was accepted: nothing was tested");
        let first: Vec<_> = self.faults.iter().take(20).collect();
        assert!(self.faults.is_empty(), "{self}; the first: {first:#?}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {} · due {} · shown {} · in time to live {} · faults {}",
            self.accepted,
            self.due,
            self.shown,
            self.in_time,
            self.faults.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: &str, number: u64) -> Accepted {
        Accepted { id: id.into(), log: "topic:a".into(), publisher: 0, number, may_expire: false }
    }

    fn shown(id: &str, seq: u64) -> Shown {
        Shown { id: id.into(), log: "topic:a".into(), seq }
    }

    fn faults(accepted: &[Accepted], shown: Vec<Shown>) -> usize {
        let logs = BTreeSet::from(["topic:a".to_string()]);
        judge(accepted, &[Witness { device: "d".into(), logs, shown }]).faults.len()
    }

    #[test]
    fn sees_what_is_lost_doubled_foreign_or_out_of_order() {
        let both = [accepted("x", 1), accepted("y", 2)];
        assert_eq!(faults(&both, vec![shown("x", 1), shown("y", 2)]), 0);
        assert_eq!(faults(&both, vec![shown("y", 2)]), 1, "lost");
        let expiring = [Accepted { may_expire: true, ..accepted("x", 1) }, accepted("y", 2)];
        assert_eq!(faults(&expiring, vec![shown("y", 2)]), 0, "expired");
        assert_eq!(faults(&expiring, vec![shown("y", 2), shown("x", 3)]), 1, "expiring, but late");
        assert_eq!(faults(&both, vec![shown("x", 1), shown("y", 2), shown("x", 3)]), 1, "twice");
        assert_eq!(faults(&both[..1], vec![shown("x", 1), shown("y", 2)]), 1, "foreign");
        assert_eq!(faults(&both, vec![shown("y", 2), shown("x", 3)]), 1, "publisher's order");
        assert_eq!(faults(&both, vec![shown("x", 2), shown("y", 1)]), 1, "log's order");
    }

    #[test]
    fn ledger_lines_read_back_as_written() {
        assert_eq!(Accepted::parse(&accepted("x", 7).line()), accepted("x", 7));
        assert_eq!(Shown::parse(&shown("x", 7).line()), shown("x", 7));
    }
}
