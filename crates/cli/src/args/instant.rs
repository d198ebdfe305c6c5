//! Which instant does `--at` mean? A time with an offset or a zone is one; a time without is meant in the configured zone,
//! where a change of the clocks can make it none, or two.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::Serialize;

/// Says why a text names no instant. Serializes to `{"key": …, arguments}`.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "a variant's whole name is its key")]
pub enum InstantError {
    #[error("{text:?} is no time; write it as {example}")]
    UsageTime { text: String, example: String },
    #[error("{text} does not exist in {zone}: the clocks went forward; write {earlier} or {later}")]
    UsageTimeGap { text: String, zone: String, earlier: String, later: String },
    #[error("{text} was twice in {zone}: the clocks went back; write {earlier} or {later}")]
    UsageTimeFold { text: String, zone: String, earlier: String, later: String },
}

/// Reads an instant.
///
/// # Errors
/// `UsageTime`, `UsageTimeGap`, `UsageTimeFold`; the last two name both instants that may be meant.
pub fn parse_instant(text: &str, zone: &TimeZone) -> Result<Timestamp, InstantError> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if let Ok(zoned) = text.parse::<jiff::Zoned>() {
        return Ok(zoned.timestamp());
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)));
    let Ok(local) = local else {
        let example = "2026-11-24 10:30:00 | 2026-11-24 10:30:00+01:00 | 2026-11-24T09:30:00Z".to_owned();
        return Err(InstantError::UsageTime { text: text.to_owned(), example });
    };
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let with = |offset: Offset| format!("{}{}", local.strftime("%Y-%m-%d %H:%M:%S%.f"), colon(offset));
    let zone_name = || zone.iana_name().unwrap_or("the configured zone").to_owned();
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous
            .unambiguous()
            .map_err(|error| InstantError::UsageTime { text: text.to_owned(), example: error.to_string() }),
        // In a gap the time with the offset after it is the earlier instant.
        AmbiguousOffset::Gap { before, after } => Err(InstantError::UsageTimeGap {
            text: text.to_owned(),
            zone: zone_name(),
            earlier: with(after),
            later: with(before),
        }),
        AmbiguousOffset::Fold { before, after } => Err(InstantError::UsageTimeFold {
            text: text.to_owned(),
            zone: zone_name(),
            earlier: with(before),
            later: with(after),
        }),
    }
}

/// Writes an offset as `+01:00`.
fn colon(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn instant(text: &str, zone_name: &str) -> String {
        parse_instant(text, &zone(zone_name)).unwrap().to_string()
    }

    #[test]
    fn a_time_without_zone_is_meant_in_the_configured_one() {
        assert_eq!(instant("2026-11-24 10:30:00", "Europe/Madrid"), "2026-11-24T09:30:00Z");
        assert_eq!(instant("2026-11-24 10:30", "America/Argentina/Buenos_Aires"), "2026-11-24T13:30:00Z");
        assert_eq!(instant("2026-11-24T10:30:00.25", "UTC"), "2026-11-24T10:30:00.25Z");
        assert_eq!(instant("2026-11-24", "Europe/Madrid"), "2026-11-23T23:00:00Z");
    }

    #[test]
    fn an_offset_or_a_zone_in_the_text_wins() {
        for text in [
            "2026-11-24T09:30:00Z",
            "2026-11-24 10:30:00+01:00",
            "2026-11-24 10:30:00+01",
            "2026-11-24 06:30:00-03:00",
            "2026-11-24T10:30:00[Europe/Madrid]",
        ] {
            assert_eq!(instant(text, "Asia/Tokyo"), "2026-11-24T09:30:00Z", "{text}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_left_out_is_refused_with_both_neighbours() {
        let error = parse_instant("2026-03-29 02:30:00", &zone("Europe/Madrid")).unwrap_err();
        let InstantError::UsageTimeGap { earlier, later, .. } = error else { panic!("{error}") };
        assert_eq!((earlier.as_str(), later.as_str()), ("2026-03-29 02:30:00+02:00", "2026-03-29 02:30:00+01:00"));
        assert!(instant(&earlier, "UTC") < instant(&later, "UTC"));
    }

    #[test]
    fn a_time_that_was_twice_is_refused_with_both_instants() {
        let error = parse_instant("2026-10-25 02:30:00", &zone("Europe/Madrid")).unwrap_err();
        let InstantError::UsageTimeFold { earlier, later, .. } = error else { panic!("{error}") };
        assert_eq!((earlier.as_str(), later.as_str()), ("2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00"));
        assert_eq!(instant(&earlier, "UTC"), "2026-10-25T00:30:00Z");
    }

    #[test]
    fn what_is_no_time_is_answered_with_an_example() {
        for text in ["", "yesterday", "10:30", "2026-13-01", "24/11/2026", "2026-11-24 25:00"] {
            assert!(matches!(parse_instant(text, &TimeZone::UTC), Err(InstantError::UsageTime { .. })), "{text}");
        }
    }
}
