//! S3's object lock: what is never written again may be kept from being removed, for a time, whoever asks.
//!
//! A bucket with object lock keeps every version. A delete without a version makes a delete marker there, and is not refused: what is
//! locked lies below it until its time is over. Other stores refuse.

use super::S3;
use super::request::{Ask, http_date};
use crate::settings::Address;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use vault::storage::StorageError;

/// How objects are locked as they are made.
pub(crate) struct ObjectLock {
    mode: &'static str,
    days: u64,
}

impl ObjectLock {
    /// Reads `lock_mode` and `lock_days`.
    pub fn of(address: &Address, has_checksums: bool) -> Result<Option<Self>, StorageError> {
        let mode = match address.choice("lock_mode", &["off", "governance", "compliance"], "off")? {
            "governance" => "GOVERNANCE",
            "compliance" => "COMPLIANCE",
            _ if address.option("lock_days").is_some() => {
                return Err(address.bad("lock_days", "wants lock_mode = governance or compliance".to_owned()));
            }
            _ => return Ok(None),
        };
        if !has_checksums {
            return Err(
                address.bad("lock_mode", "wants checksums = on: the store demands them of what it locks".to_owned())
            );
        }
        match address.number("lock_days", 0, 36_500, 0)? {
            0 => Err(address.bad("lock_days", "lock_mode wants it; allowed: 1 to 36500".to_owned())),
            days => Ok(Some(ObjectLock { mode, days })),
        }
    }

    fn headers(&self, now: Timestamp) -> [(&'static str, String); 2] {
        let time = i64::try_from(self.days).map_or(SignedDuration::MAX, |days| SignedDuration::from_hours(days * 24));
        let until = now.checked_add(time).unwrap_or(Timestamp::MAX);
        [
            ("x-amz-object-lock-mode", self.mode.to_owned()),
            ("x-amz-object-lock-retain-until-date", until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ]
    }
}

impl S3 {
    /// Returns what is sent with an object that is never written again.
    pub(super) fn retention(&self) -> Vec<(&'static str, String)> {
        self.object_lock.as_ref().map(|lock| lock.headers(Timestamp::now()).to_vec()).unwrap_or_default()
    }

    /// Says why the store does not let an object go, when it is because it keeps it: by the store's own clock.
    pub(super) fn why_kept(&self, key: &str) -> Option<String> {
        let answer = self.ask(Ask::new(Method::HEAD, &self.object(key))).ok()?;
        if answer.header("x-amz-object-lock-legal-hold") == Some("ON") {
            return Some("legal hold".to_owned());
        }
        let mode = answer.header("x-amz-object-lock-mode")?;
        let until: Timestamp = answer.header("x-amz-object-lock-retain-until-date")?.parse().ok()?;
        let now = answer.header("date").and_then(http_date).unwrap_or_default();
        (until.as_second() > now).then(|| format!("{mode} until {until}"))
    }
}

/// Tells whether a refusal's own words say that the object is kept.
pub(super) fn says_kept(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["object lock", "worm protected", "legal hold", "retention"].iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::StoreSettings;

    fn lock(query: &str) -> Result<Option<ObjectLock>, StorageError> {
        let url = format!("s3://bucket?{query}");
        ObjectLock::of(&Address::parse(&StoreSettings { url, ..StoreSettings::default() })?, true)
    }

    #[test]
    fn a_mode_and_days_belong_together() {
        assert!(lock("").unwrap().is_none());
        for query in
            ["lock_mode=compliance", "lock_days=3", "lock_mode=none&lock_days=3", "lock_mode=governance&lock_days=0"]
        {
            assert!(lock(query).is_err(), "{query}");
        }
        let headers = lock("lock_mode=compliance&lock_days=3").unwrap().unwrap().headers(Timestamp::UNIX_EPOCH);
        assert_eq!(headers[0].1, "COMPLIANCE");
        assert_eq!(headers[1].1, "1970-01-04T00:00:00Z");
    }

    #[test]
    fn stores_say_in_their_own_words_that_they_keep_an_object() {
        assert!(says_kept("Access Denied because object protected by object lock."));
        assert!(says_kept("Object is WORM protected and cannot be overwritten"));
        assert!(!says_kept("Access Denied"));
    }
}
