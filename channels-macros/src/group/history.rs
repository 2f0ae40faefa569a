//! The argument `history(size = 100, ttl = "10m")` of `#[group]`.

use std::ops::RangeInclusive;

use syn::{Ident, LitInt, LitStr};

use super::model::History;
use crate::arguments::{self, Argument, Value};
use crate::diagnostics::Diagnostics;
use crate::tokens::text;

pub(super) const EXAMPLE: &str = "history(size = 100, ttl = \"10m\")";

const ARGUMENTS: [(&str, &str); 2] = [("size", "size = 100"), ("ttl", "ttl = \"10m\"")];

/// The legal numbers of events.
const SIZES: RangeInclusive<u64> = 1..=1000;

/// The legal times, in seconds.
const TTLS: RangeInclusive<u64> = 1..=24 * 60 * 60;

/// Parses the value of `history(..)`. A wrong one is reported, and replaced by a valid one.
pub(super) fn parse(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> History {
    let mut history = History { at: name.span(), size: 100, ttl_seconds: 600 };
    let Value::List(list) = value else {
        diagnostics.error(name, format!("`history` has a size and a time, in parentheses: `{EXAMPLE}`"));
        return history;
    };
    let before = diagnostics.count();
    let (mut size, mut ttl, mut unnamed) = (None, None, false);
    for piece in arguments::pieces(list.clone(), diagnostics) {
        let Ok(Argument { name, value }) = syn::parse2::<Argument>(piece.clone()) else {
            if !std::mem::replace(&mut unnamed, true) {
                diagnostics.error(&piece, format!("the values of `history` have names: `{EXAMPLE}`"));
            }
            continue;
        };
        let part = match name.to_string().as_str() {
            "size" => &mut size,
            "ttl" => &mut ttl,
            _ => {
                arguments::unknown("history", &name, &ARGUMENTS, diagnostics);
                continue;
            }
        };
        if part.is_some() {
            diagnostics.error(&name, format!("`history` has one `{name}`: `{EXAMPLE}`"));
        }
        *part = Some((name, value));
    }
    // Any other mistake may be the missing part.
    if diagnostics.count() == before
        && let Some(missing) = missing(&size, &ttl)
    {
        diagnostics.error(name, missing);
    }
    if let Some(size) = size.and_then(|(name, value)| parse_size(&value, &name, diagnostics)) {
        history.size = size;
    }
    if let Some(ttl) = ttl.and_then(|(name, value)| parse_ttl(&value, &name, diagnostics)) {
        history.ttl_seconds = ttl;
    }
    history
}

/// Returns the message if a part is missing, with the other one as it is written.
fn missing(size: &Option<(Ident, Value)>, ttl: &Option<(Ident, Value)>) -> Option<String> {
    let written = |part: &Option<(Ident, Value)>, otherwise: &str| match part {
        Some((name, Value::Equals(value))) => format!("{name} = {}", text(value)),
        _ => otherwise.to_owned(),
    };
    let whole = format!("`history({}, {})`", written(size, ARGUMENTS[0].1), written(ttl, ARGUMENTS[1].1));
    match (size, ttl) {
        (Some(_), Some(_)) => None,
        (None, None) => Some(format!("`history` needs a size and a time: {whole}")),
        (None, Some(_)) => Some(format!("`history` needs its `size`, the most events that it keeps: {whole}")),
        (Some(_), None) => Some(format!("`history` needs its `ttl`, the time for which it keeps events: {whole}")),
    }
}

fn parse_size(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<u16> {
    let shape = "`size` is the most events that the history keeps, a number from 1 to 1000: `size = 100`";
    let Value::Equals(value) = value else {
        diagnostics.error(name, shape);
        return None;
    };
    let size = syn::parse2::<LitInt>(value.clone()).ok().map(|size| size.base10_parse::<u64>());
    match size {
        Some(Ok(size)) if SIZES.contains(&size) => u16::try_from(size).ok(),
        Some(_) => {
            diagnostics.error(value, format!("`size` is from 1 to 1000 events, not {}: `size = 100`", text(value)));
            None
        }
        None => {
            diagnostics.error(value, shape);
            None
        }
    }
}

/// Parses a time: a number of seconds, minutes or hours.
fn parse_ttl(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<u32> {
    const SHAPE: &str = "`ttl` is the time for which the history keeps events, in seconds, minutes or hours";
    let Value::Equals(value) = value else {
        diagnostics.error(name, format!("{SHAPE}: `ttl = \"90s\"`, `\"10m\"` or `\"2h\"`"));
        return None;
    };
    let (quoted, written) = match syn::parse2::<LitStr>(value.clone()) {
        Ok(string) => (true, string.value()),
        Err(_) => (false, text(value)),
    };
    let Some((number, unit)) = number_and_unit(&written) else {
        let mend = if quoted { ": `ttl = \"90s\"`, `\"10m\"` or `\"2h\"`" } else { ", in quotes: `ttl = \"10m\"`" };
        diagnostics.error(value, format!("{SHAPE}{mend}"));
        return None;
    };
    let seconds = number.and_then(|number| number.checked_mul(unit.seconds())).filter(|seconds| TTLS.contains(seconds));
    let (Some(seconds), Some(number)) = (seconds.and_then(|seconds| u32::try_from(seconds).ok()), number) else {
        let sentence = format!("`ttl` is from 1 second to 24 hours, not {}: `\"1s\"` to `\"24h\"`", text(value));
        diagnostics.error(value, sentence);
        return None;
    };
    let right = match unit {
        Unit::Seconds => format!("{number}s"),
        Unit::Minutes => format!("{number}m"),
        Unit::Hours => format!("{number}h"),
        Unit::Days => format!("{}h", 24 * number),
    };
    if quoted && right == written {
        return Some(seconds);
    }
    let quotes = if quoted { "" } else { ", in quotes" };
    diagnostics.error(value, format!("{SHAPE}{quotes}: `ttl = {right:?}`"));
    None
}

/// The units that a user may write. Days are reported.
#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Unit {
    fn seconds(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 60 * 60,
            Self::Days => 24 * 60 * 60,
        }
    }
}

/// Splits a time into its number, or `None` if it is too large for its type, and its unit, in any spelling.
fn number_and_unit(written: &str) -> Option<(Option<u64>, Unit)> {
    let written = written.trim();
    let (digits, unit) =
        written.split_at(written.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(written.len()));
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => Unit::Seconds,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minutes,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hours,
        "d" | "day" | "days" => Unit::Days,
        _ => return None,
    };
    (!digits.is_empty()).then(|| (digits.parse().ok(), unit))
}
