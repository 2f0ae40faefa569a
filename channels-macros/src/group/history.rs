//! The argument `history(size = 100, ttl = "10m")` of `#[group]`.

use proc_macro2::{Literal, TokenStream};
use syn::{Ident, LitInt, LitStr};

use super::model::History;
use crate::arguments::{self, Argument, Value};
use crate::diagnostics::Diagnostics;
use crate::tokens::text;

pub(super) const EXAMPLE: &str = "history(size = 100, ttl = \"10m\")";

const ARGUMENTS: [(&str, &str); 2] = [("size", "size = 100"), ("ttl", "ttl = \"10m\"")];

/// The legal numbers of events.
const SIZES: std::ops::RangeInclusive<u64> = 1..=1000;

/// The longest legal time, in seconds.
const MAX_TTL: u64 = 24 * 60 * 60;

/// Parses the value of `history(..)`. A wrong one is reported, and replaced by a valid one.
pub(super) fn parse(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> History {
    let mut history = History { at: name.span(), size: 100, ttl_seconds: 600 };
    let Value::List(list) = value else {
        diagnostics.error(name, format!("`history` has a size and a time, in parentheses: `{EXAMPLE}`"));
        return history;
    };
    let before = diagnostics.count();
    let (mut size, mut ttl) = (None, None);
    for piece in arguments::pieces(list.clone(), diagnostics) {
        let Ok(Argument { name, value }) = syn::parse2::<Argument>(piece.clone()) else {
            diagnostics
                .error(&piece, format!("the values of `history` have names, not `{}`: `{EXAMPLE}`", text(&piece)));
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
    let Ok(written) = syn::parse2::<LitStr>(value.clone()) else {
        diagnostics.error(value, format!("{SHAPE}, in quotes: `ttl = {}`", quoted(value)));
        return None;
    };
    let written = written.value();
    let digits = written.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let factor = match &written[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => 0,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if factor == 0 || !is_number {
        let meant = meant(&written)
            .map_or_else(|| "`ttl = \"90s\"`, `\"10m\"` or `\"2h\"`".to_owned(), |meant| format!("`ttl = {meant:?}`"));
        diagnostics.error(value, format!("{SHAPE}: {meant}"));
        return None;
    }
    // A number that is too large for its type is out of the range, too.
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    let legal = seconds.filter(|seconds| (1..=MAX_TTL).contains(seconds));
    if legal.is_none() {
        diagnostics
            .error(value, format!("`ttl` is from 1 second to 24 hours, not {}: `\"1s\"` to `\"24h\"`", text(value)));
    }
    legal.and_then(|seconds| u32::try_from(seconds).ok())
}

/// Returns the text in quotes that a value without quotes means: `"10m"` for `10m`, `"600s"` for `600`.
fn quoted(value: &TokenStream) -> String {
    let number = syn::parse2::<LitInt>(value.clone()).ok();
    let meant = number.map(|number| {
        let unit = if number.suffix().is_empty() { "s" } else { number.suffix() };
        format!("{}{unit}", number.base10_digits())
    });
    let meant = meant.map(|meant| self::meant(&meant).unwrap_or(meant));
    Literal::string(meant.as_deref().unwrap_or("10m")).to_string()
}

/// Returns the time in the legal form that a text probably means: `"10m"` for `"10 min"`, `"24h"` for `"1d"`.
fn meant(written: &str) -> Option<String> {
    let digits = written.trim().trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: u32 = digits.parse().ok()?;
    let unit = match written.trim()[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => return number.checked_mul(24).map(|hours| format!("{hours}h")),
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}
