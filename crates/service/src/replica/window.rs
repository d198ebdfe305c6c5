use jiff::civil::Time;
use serde::Serialize;
use std::str::FromStr;

/// A stretch of each day, such as `22:00-06:00`. Its end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DailyWindow {
    /// When it begins.
    pub from: Time,
    /// When it ends; before `from`: on the next day.
    pub to: Time,
}

impl DailyWindow {
    /// Tells whether a time of day lies in it.
    pub fn holds(&self, time: Time) -> bool {
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }
}

impl FromStr for DailyWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no stretch of a day");
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let is_number =
                |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            (is_number(hour) && is_number(minute))
                .then(|| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok())
                .flatten()
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = time(from).zip(time(to)).ok_or_else(wrong)?;
        if from == to { Err(wrong()) } else { Ok(DailyWindow { from, to }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_may_go_past_midnight() {
        let at = |hour, minute| Time::new(hour, minute, 0, 0).unwrap();
        let night: DailyWindow = "22:00-06:30".parse().unwrap();
        for (time, wanted) in
            [(at(22, 0), true), (at(23, 59), true), (at(0, 0), true), (at(6, 29), true), (at(6, 30), false)]
        {
            assert_eq!(night.holds(time), wanted, "{time}");
        }
        assert!(!night.holds(at(12, 0)) && !night.holds(at(21, 59)));
        let noon: DailyWindow = "9:00 - 17:00".parse().unwrap();
        assert!(noon.holds(at(9, 0)) && !noon.holds(at(17, 0)) && !noon.holds(at(3, 0)));
        for wrong in
            ["", "22:00", "22:00-", "22-06", "25:00-06:00", "22:00-22:00", "22:60-06:00", "a:00-06:00", "+2:00-6:00"]
        {
            assert!(wrong.parse::<DailyWindow>().is_err(), "{wrong}");
        }
    }
}
