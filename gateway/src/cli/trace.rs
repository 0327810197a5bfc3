//! `pulsegate trace`: where a message went, hop by hop.

use super::backend::Backend;
use super::exit::Outcome;
use super::{block_on, say};
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;

/// Options of `trace`.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    backend: Backend,
    /// The message.
    id: String,
}

pub(super) fn run(args: &TraceArgs) -> Outcome {
    let path = format!("messages/{}/trace", args.id);
    let trace = block_on(args.backend.get(&path))?;
    say(&table(&trace))
}

fn table(trace: &Value) -> String {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = format!("{}  {}\n", text(trace, "id"), text(trace, "state"));
    let hops = trace.get("hops").and_then(Value::as_array);
    for hop in hops.into_iter().flatten() {
        let count = hop.get("count").and_then(Value::as_u64).unwrap_or(0);
        let rest = [text(hop, "at"), text(hop, "why")].join(" ");
        // Writing to a String does not fail.
        let _ = writeln!(out, "  {:<10} {count:>8}  {}", text(hop, "hop"), rest.trim());
    }
    out
}
