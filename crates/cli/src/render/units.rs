//! Sizes, durations and times as people read them.

use crate::locale::Language;

/// Writes a size in B, KiB, MiB, GiB or TiB, with one decimal from KiB on.
pub fn size(bytes: u64, language: Language) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        // 1023.95 would be written as 1024.0: the next unit says it better.
        if value < 1023.95 && !unit.is_empty() {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", decimal(value, 1, language))
}

/// Writes a duration: `0.4 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(seconds: f64, language: Language) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", decimal(seconds, 1, language)),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Writes an instant in local time, to the second.
pub fn local_time(instant: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Writes an instant to the microsecond and with its offset, as `--at` takes it.
pub fn exact_time(instant: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.6f%:z").to_string()
}

/// Writes a number with the language's decimal sign.
pub fn decimal(value: f64, places: usize, language: Language) -> String {
    let text = format!("{value:.places$}");
    match language {
        Language::English => text,
        Language::Spanish => text.replace('.', ","),
    }
}

/// Reads a size such as `512`, `800kB`, `50MB`, `1.5 GiB`. Units are powers of 1024 whatever their spelling, as in PostgreSQL's
/// own settings.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * f64::from(1u32 << (shift / 2)) * f64::from(1u32 << (shift / 2));
    // Above 2^53 a fraction of a byte is lost, and no such rate or size is meant.
    (bytes < (1u64 << 53) as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_in_the_languages_way() {
        let en = |bytes| size(bytes, Language::English);
        assert_eq!(en(0), "0 B");
        assert_eq!(en(1023), "1023 B");
        assert_eq!(en(1024), "1.0 KiB");
        assert_eq!(en(1536), "1.5 KiB");
        assert_eq!(en((1 << 20) - 1), "1.0 MiB");
        assert_eq!(en(612_000_000), "583.6 MiB");
        assert_eq!(en(5_798_205_849), "5.4 GiB");
        assert_eq!(en(u64::MAX), "16384.0 PiB");
        assert_eq!(size(5_798_205_849, Language::Spanish), "5,4 GiB");
    }

    #[test]
    fn durations_grow_with_their_length() {
        let en = |seconds| duration(seconds, Language::English);
        assert_eq!(en(0.04), "0.0 s");
        assert_eq!(en(12.34), "12.3 s");
        assert_eq!(en(59.6), "1 min 00 s");
        assert_eq!(en(125.0), "2 min 05 s");
        assert_eq!(en(3725.0), "1 h 02 min");
        assert_eq!(duration(12.34, Language::Spanish), "12,3 s");
    }

    #[test]
    fn local_times_follow_the_zone() {
        let instant = jiff::Timestamp::from_second(1_795_478_400).ok();
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(instant.map(|t| local_time(t, &zone)), Some("2026-11-23 21:00:00".to_owned()));
    }

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(parse_size("1k"), Some(1024));
        assert_eq!(parse_size(" 1.5 GiB "), Some(3 << 29));
        assert_eq!(parse_size("2TB"), Some(2 << 40));
        for text in ["", "x", "-1", "1 XB", "1.2.3", "."] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
