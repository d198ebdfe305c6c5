use super::ScheduleError;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The word that switches a job off.
const OFF: &str = "off";
/// How far back the first, and then each further, look for the latest due time goes, relative to the one before.
const FIRST_LOOK_BACK: SignedDuration = SignedDuration::from_secs(2);
const LOOK_BACK_GROWTH: i32 = 8;
/// Every pattern that has dates at all has one in so many years: the 29th of February can stay away for eight.
const LONGEST_LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 366 * 16);

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RuleForm", into = "RuleForm")]
pub enum Rule {
    /// Never.
    Off,
    /// At a time of day, on some days.
    Time(JobTime),
    /// Whenever a cron pattern of 5 fields, or 6 with seconds, matches.
    Cron(String),
}

/// A time of day: daily, or on a day of the month, or on a day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobTime {
    /// Day of the month, 1 to 31. In a month without it the job runs on the month's last day: no month is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<u8>,
    /// Day of the week, 0 for Monday to 6 for Sunday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekday: Option<u8>,
    /// 0 to 23.
    #[serde(default)]
    pub hour: u8,
    /// 0 to 59.
    #[serde(default)]
    pub minute: u8,
}

/// How a rule stands in files: `"off"`, a pattern, or a time.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RuleForm {
    Word(String),
    Time(JobTime),
}

impl Rule {
    /// Reads `off` or a cron pattern.
    ///
    /// # Errors
    /// `SchedulePattern`, `ScheduleNever`.
    pub fn parse(text: &str) -> Result<Rule, ScheduleError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(OFF) {
            return Ok(Rule::Off);
        }
        let rule = Rule::Cron(text.split_whitespace().collect::<Vec<_>>().join(" "));
        Pattern::of(&rule)?;
        Ok(rule)
    }

    /// Makes a rule of a time.
    ///
    /// # Errors
    /// `ScheduleTime`, `ScheduleDays`.
    pub fn at(time: JobTime) -> Result<Rule, ScheduleError> {
        let rule = Rule::Time(time);
        Pattern::of(&rule)?;
        Ok(rule)
    }
}

impl TryFrom<RuleForm> for Rule {
    type Error = ScheduleError;

    fn try_from(form: RuleForm) -> Result<Rule, ScheduleError> {
        match form {
            RuleForm::Word(text) => Rule::parse(&text),
            RuleForm::Time(time) => Rule::at(time),
        }
    }
}

impl From<Rule> for RuleForm {
    fn from(rule: Rule) -> RuleForm {
        match rule {
            Rule::Time(time) => RuleForm::Time(time),
            other => RuleForm::Word(other.to_string()),
        }
    }
}

impl fmt::Display for Rule {
    /// Writes `off`, or a cron pattern; that of a day that not every month has names the day only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Off => f.write_str(OFF),
            Rule::Cron(text) => f.write_str(text),
            Rule::Time(time) => f.write_str(&time.patterns()[0]),
        }
    }
}

impl JobTime {
    fn check(&self) -> Result<(), ScheduleError> {
        let within = |name: &str, value: Option<u8>, low: u8, high: u8| match value {
            Some(value) if !(low..=high).contains(&value) => Err(ScheduleError::ScheduleTime {
                name: name.to_owned(),
                value: value.to_string(),
                allowed: format!("{low}..{high}"),
            }),
            _ => Ok(()),
        };
        within("day", self.day, 1, 31)?;
        within("weekday", self.weekday, 0, 6)?;
        within("hour", Some(self.hour), 0, 23)?;
        within("minute", Some(self.minute), 0, 59)?;
        match (self.day, self.weekday) {
            (Some(day), Some(weekday)) => Err(ScheduleError::ScheduleDays { day, weekday }),
            _ => Ok(()),
        }
    }

    /// Returns the cron patterns that together are this time. One pattern can't say "the 30th, or else the last".
    fn patterns(&self) -> Vec<String> {
        let (minute, hour) = (self.minute, self.hour);
        let on = |days: &str| format!("{minute} {hour} {days}");
        match (self.day, self.weekday) {
            (Some(31), _) => vec![on("L * *")],
            (Some(day @ (29 | 30)), _) => vec![on(&format!("{day} * *")), on("L 2 *")],
            (Some(day), _) => vec![on(&format!("{day} * *"))],
            // Cron counts the days of the week from Sunday.
            (None, Some(weekday)) => vec![on(&format!("* * {}", (weekday + 1) % 7))],
            (None, None) => vec![on("* * *")],
        }
    }
}

/// A rule made ready to be asked.
#[derive(Debug, Clone)]
pub struct Pattern {
    crons: Vec<Cron>,
}

impl Pattern {
    /// Makes a rule ready.
    ///
    /// # Errors
    /// `SchedulePattern`, `ScheduleNever`, `ScheduleTime`, `ScheduleDays`.
    pub fn of(rule: &Rule) -> Result<Pattern, ScheduleError> {
        let texts = match rule {
            Rule::Off => Vec::new(),
            Rule::Cron(text) => vec![text.clone()],
            Rule::Time(time) => {
                time.check()?;
                time.patterns()
            }
        };
        let crons = texts.iter().map(|text| read_cron(text)).collect::<Result<_, _>>()?;
        Ok(Pattern { crons })
    }

    /// Returns the first due time after `instant`. A time that the clock skips is due right after the gap, one that the clock
    /// repeats is due the first time only; patterns with intervals (`*/15 * * * *`) go by elapsed time through both.
    pub fn next_after(&self, zone: &TimeZone, instant: Timestamp) -> Option<Timestamp> {
        // Fractions would only be in the way: due times have none.
        let start = Timestamp::from_second(instant.as_second()).ok()?;
        let start = if start > instant { start.checked_sub(SignedDuration::from_secs(1)).ok()? } else { start };
        let zoned = start.to_zoned(zone.clone());
        let found = self.crons.iter().filter_map(|cron| cron.find_next_occurrence(&zoned, false).ok());
        found.map(|found| found.timestamp()).min()
    }

    /// Returns the last due time after `after` and not after `until`.
    ///
    /// Searches forward from ever further back, so that it can't contradict [`Pattern::next_after`] around a change of the clock.
    pub fn latest_due(&self, zone: &TimeZone, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if self.crons.is_empty() || until <= after {
            return None;
        }
        let mut look_back = FIRST_LOOK_BACK;
        loop {
            let from = until.checked_sub(look_back).map_or(after, |from| from.max(after));
            let mut latest = None;
            let mut due = self.next_after(zone, from);
            while let Some(found) = due.filter(|due| *due <= until) {
                latest = Some(found);
                due = self.next_after(zone, found);
            }
            if latest.is_some() || from == after || look_back >= LONGEST_LOOK_BACK {
                return latest;
            }
            look_back = look_back.saturating_mul(LOOK_BACK_GROWTH);
        }
    }
}

fn read_cron(text: &str) -> Result<Cron, ScheduleError> {
    let bad = |detail: String| ScheduleError::SchedulePattern { text: text.to_owned(), detail };
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| bad(error.to_string()))?;
    // A pattern that never matches would be a job that silently never runs. Leap days come at least every eight years.
    let begin = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
    match cron.find_next_occurrence(&begin, true) {
        Ok(_) => Ok(cron),
        Err(_) => Err(ScheduleError::ScheduleNever { text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{Date, date};

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn rule(text: &str) -> Pattern {
        Pattern::of(&Rule::parse(text).unwrap()).unwrap()
    }

    fn at(day: Option<u8>, weekday: Option<u8>, hour: u8, minute: u8) -> Pattern {
        Pattern::of(&Rule::at(JobTime { day, weekday, hour, minute }).unwrap()).unwrap()
    }

    /// Every due time from a date on, until another one, as local text.
    fn dues(pattern: &Pattern, zone: &TimeZone, from: Date, until: Date) -> Vec<String> {
        let instant = |date: Date| date.to_zoned(zone.clone()).unwrap().timestamp();
        let mut at = instant(from).checked_sub(SignedDuration::from_secs(1)).unwrap();
        let mut found = Vec::new();
        while let Some(due) = pattern.next_after(zone, at).filter(|due| *due < instant(until)) {
            found.push(due.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string());
            at = due;
        }
        found
    }

    #[test]
    fn a_day_that_a_month_lacks_is_its_last_one() {
        let utc = TimeZone::UTC;
        let days = |day| -> Vec<i8> {
            let text = dues(&at(Some(day), None, 0, 0), &utc, date(2027, 1, 1), date(2028, 4, 1));
            text.iter().map(|text| text[8..10].parse().unwrap()).collect()
        };
        assert_eq!(days(31), [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29, 31]);
        assert_eq!(days(30), [30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 29, 30]);
        assert_eq!(days(29), [29, 28, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29]);
        assert_eq!(days(28), [28; 15]);
    }

    #[test]
    fn weekdays_are_counted_from_monday_as_in_the_seed() {
        for (weekday, name) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].into_iter().enumerate() {
            let pattern = at(None, Some(weekday as u8), 23, 30);
            let due = pattern.next_after(&TimeZone::UTC, "2026-11-24T00:00:00Z".parse().unwrap()).unwrap();
            assert_eq!(due.strftime("%a %H:%M").to_string(), format!("{name} 23:30"));
        }
    }

    #[test]
    fn what_can_not_be_a_time_is_refused_with_what_can() {
        let text = |day, weekday, hour, minute| {
            Rule::at(JobTime { day, weekday, hour, minute }).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(text(Some(0), None, 0, 0), "day = 0; allowed: 1..31");
        assert_eq!(text(Some(32), None, 0, 0), "day = 32; allowed: 1..31");
        assert_eq!(text(None, Some(7), 0, 0), "weekday = 7; allowed: 0..6");
        assert_eq!(text(None, None, 24, 0), "hour = 24; allowed: 0..23");
        assert_eq!(text(None, None, 0, 60), "minute = 60; allowed: 0..59");
        assert!(text(Some(1), Some(6), 0, 0).contains("at once"));
    }

    #[test]
    fn patterns_have_five_fields_or_six_and_match_some_date() {
        for text in ["0 0 1 * *", "*/3 * * * * *", " 30  23 * *  SUN ", "0 0 29 2 *", "0 0 L * *", "@daily", "OFF"] {
            assert!(Rule::parse(text).is_ok(), "{text}");
        }
        for text in ["", "* * * *", "60 * * * *", "* 24 * * *", "x * * * *", "0 0 0 1 1 * 2030", "on", "0 0 1 13 *"] {
            assert!(matches!(Rule::parse(text), Err(ScheduleError::SchedulePattern { .. })), "{text}");
        }
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert!(matches!(Rule::parse(text), Err(ScheduleError::ScheduleNever { .. })), "{text}");
        }
    }

    #[test]
    fn a_rule_is_read_back_from_its_file_form() {
        for text in [r#""off""#, r#""*/5 * * * *""#, r#"{"day":31,"hour":4,"minute":5}"#, r#"{"hour":23,"minute":0}"#] {
            let rule: Rule = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&rule).unwrap(), text);
        }
        for text in [r#""of""#, r#"{"day":32,"hour":0,"minute":0}"#, r#"{"hours":3}"#, "3", "null"] {
            assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
        }
    }

    /// Buenos Aires went from 00:00 to 01:00 on 2008-10-19, and from 24:00 back to 23:00 on 2008-03-15.
    #[test]
    fn buenos_aires_2008_skips_a_midnight_and_repeats_an_evening_hour() {
        let zone = zone("America/Argentina/Buenos_Aires");
        let found = dues(&rule("0 0 * * *"), &zone, date(2008, 10, 18), date(2008, 10, 21));
        let wanted = ["2008-10-18 00:00:00 -03:00", "2008-10-19 01:00:00 -02:00", "2008-10-20 00:00:00 -02:00"];
        assert_eq!(found, wanted);
        let found = dues(&rule("0 23 * * *"), &zone, date(2008, 3, 14), date(2008, 3, 17));
        let wanted = ["2008-03-14 23:00:00 -02:00", "2008-03-15 23:00:00 -02:00", "2008-03-16 23:00:00 -03:00"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn madrid_2026_skips_and_repeats_an_hour_of_the_night() {
        let zone = zone("Europe/Madrid");
        let found = dues(&rule("30 2 * * *"), &zone, date(2026, 3, 28), date(2026, 3, 31));
        let wanted = ["2026-03-28 02:30:00 +01:00", "2026-03-29 03:00:00 +02:00", "2026-03-30 02:30:00 +02:00"];
        assert_eq!(found, wanted);
        let found = dues(&rule("30 2 * * *"), &zone, date(2026, 10, 24), date(2026, 10, 27));
        let wanted = ["2026-10-24 02:30:00 +02:00", "2026-10-25 02:30:00 +02:00", "2026-10-26 02:30:00 +01:00"];
        assert_eq!(found, wanted);
        // Intervals go on through both: every half hour of elapsed time.
        let found = dues(&rule("*/30 * * * *"), &zone, date(2026, 10, 25), date(2026, 10, 26));
        assert_eq!(found.len(), 50);
        let found = dues(&rule("*/30 * * * *"), &zone, date(2026, 3, 29), date(2026, 3, 30));
        assert_eq!(found.len(), 46);
    }

    #[test]
    fn no_day_is_left_out_or_doubled_in_two_years_of_five_zones() {
        let zones =
            ["America/Argentina/Buenos_Aires", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "UTC"];
        for (name, year) in zones.into_iter().flat_map(|name| [(name, 2007), (name, 2026)]) {
            let zone = zone(name);
            for (hour, minute) in [(0, 0), (0, 30), (1, 0), (2, 0), (2, 30), (3, 0), (23, 0), (23, 30)] {
                let pattern = at(None, None, hour, minute);
                let found = dues(&pattern, &zone, date(year, 1, 1), date(year + 2, 1, 1));
                let days: Vec<&str> = found.iter().map(|text| &text[..10]).collect();
                let wanted: Vec<String> = date(year, 1, 1)
                    .series(jiff::Span::new().days(1))
                    .take_while(|day| *day < date(year + 2, 1, 1))
                    .map(|day| day.to_string())
                    .collect();
                assert_eq!(days, wanted, "{name} {hour}:{minute}");
            }
        }
    }

    #[test]
    fn the_latest_due_time_is_the_last_that_comes_next() {
        let utc = TimeZone::UTC;
        let t = |text: &str| text.parse::<Timestamp>().unwrap();
        let monthly = at(Some(1), None, 0, 0);
        assert_eq!(
            monthly.latest_due(&utc, t("2026-01-15T00:00:00Z"), t("2026-05-31T23:59:59Z")),
            Some(t("2026-05-01T00:00:00Z"))
        );
        // Of the interval's ends, the first is not in it and the last is.
        assert_eq!(monthly.latest_due(&utc, t("2026-05-01T00:00:00Z"), t("2026-05-31T00:00:00Z")), None);
        assert_eq!(
            monthly.latest_due(&utc, t("2026-04-30T23:59:59.5Z"), t("2026-05-01T00:00:00Z")),
            Some(t("2026-05-01T00:00:00Z"))
        );
        assert_eq!(monthly.latest_due(&utc, t("2026-05-01T00:00:00Z"), t("2026-04-01T00:00:00Z")), None);
        assert_eq!(rule("off").latest_due(&utc, t("2026-01-15T00:00:00Z"), t("2026-05-31T23:59:59Z")), None);
        let leap = rule("0 0 29 2 *");
        assert_eq!(
            leap.latest_due(&utc, t("2024-03-15T00:00:00Z"), t("2029-05-31T00:00:00Z")),
            Some(t("2028-02-29T00:00:00Z"))
        );
    }

    proptest::proptest! {
        #[test]
        fn latest_and_next_agree_anywhere_in_any_zone(
            second in 1_200_000_000_i64..1_900_000_000,
            length in 1_i64..4_000_000,
            which in 0_usize..6,
            zone_index in 0_usize..3,
        ) {
            let zone = zone(["Europe/Madrid", "America/Argentina/Buenos_Aires", "Australia/Lord_Howe"][zone_index]);
            let pattern = rule(["0 0 * * *", "30 2 * * *", "0 23 * * *", "0 */6 * * *", "15 1 1 * *", "0 2 * * MON"][which]);
            let (after, until) = (Timestamp::from_second(second).unwrap(), Timestamp::from_second(second + length).unwrap());
            let mut latest = None;
            let mut at = after;
            while let Some(due) = pattern.next_after(&zone, at).filter(|due| *due <= until) {
                proptest::prop_assert!(due > at);
                latest = Some(due);
                at = due;
            }
            proptest::prop_assert_eq!(pattern.latest_due(&zone, after, until), latest);
        }
    }
}
