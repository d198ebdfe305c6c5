//! `schedule.json`: the rules that were set with `cadena schedule set`, so that they need no configuration file.

use super::{Job, Rule, Rules, ScheduleError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vault::repository::Repository;
use vault::storage::{LockAttempt, LockGuard, host_name};

/// The key of the repository's rules.
pub const SCHEDULE_KEY: &str = "schedule.json";
/// The lock of whoever changes them.
const LOCK_KEY: &str = "schedule";
/// The version that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;
/// A change takes a moment; somebody who holds the lock for longer hangs.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The file. Jobs of a newer program stay as they are.
#[derive(Serialize, Deserialize)]
struct ScheduleFile {
    format_version: u32,
    #[serde(default)]
    jobs: BTreeMap<String, Value>,
}

/// Reads the rules that the repository holds; none when there is no file.
///
/// # Errors
/// `ScheduleUnreadable`; storage errors.
pub fn stored_rules(repository: &Repository) -> Result<Rules, ScheduleError> {
    let file = read(repository)?;
    let mut rules = Rules::new();
    for (name, value) in file.jobs {
        let Some(job) = Job::ALL.into_iter().find(|job| job.word() == name) else { continue };
        let rule = Rule::deserialize(value).map_err(|error| unreadable(repository, format!("{name}: {error}")))?;
        rules.insert(job, rule);
    }
    Ok(rules)
}

/// Sets one job's rule in the repository, or, with `None`, takes it back to the default. A running daemon notices within seconds.
///
/// # Errors
/// `ScheduleUnreadable`, `ScheduleBusy`, those of [`super::Pattern::of`]; storage errors.
pub fn set_rule(repository: &Repository, job: Job, rule: Option<&Rule>) -> Result<(), ScheduleError> {
    let lock = lock(repository)?;
    let mut file = read(repository)?;
    match rule {
        Some(rule) => {
            super::Pattern::of(rule)?;
            let value = serde_json::to_value(rule).map_err(|error| unreadable(repository, error.to_string()))?;
            file.jobs.insert(job.word().to_owned(), value);
        }
        None => {
            file.jobs.remove(job.word());
        }
    }
    let mut content = serde_json::to_vec_pretty(&file).map_err(|error| unreadable(repository, error.to_string()))?;
    content.push(b'\n');
    repository.storage().put(SCHEDULE_KEY, &content)?;
    Ok(lock.release()?)
}

fn read(repository: &Repository) -> Result<ScheduleFile, ScheduleError> {
    let Some(content) = repository.storage().get(SCHEDULE_KEY)? else {
        return Ok(ScheduleFile { format_version: FORMAT_VERSION, jobs: BTreeMap::new() });
    };
    let file: ScheduleFile =
        serde_json::from_slice(&content).map_err(|error| unreadable(repository, error.to_string()))?;
    if file.format_version != FORMAT_VERSION {
        let detail = format!("format_version is {}, this program knows {FORMAT_VERSION}", file.format_version);
        return Err(unreadable(repository, detail));
    }
    Ok(file)
}

/// Two commands at once must not lose one another's change.
fn lock(repository: &Repository) -> Result<Box<dyn LockGuard>, ScheduleError> {
    #[derive(Serialize, Deserialize)]
    struct Holder {
        host: String,
        pid: u32,
    }
    let text = |_: Option<&[u8]>| {
        // Two plain fields: this can't fail.
        serde_json::to_vec(&Holder { host: host_name(), pid: std::process::id() }).unwrap_or_default()
    };
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match repository.storage().try_lock(LOCK_KEY, &text)? {
            LockAttempt::Acquired { guard, .. } => return Ok(guard),
            LockAttempt::Held { holder } if Instant::now() >= deadline => {
                let holder: Option<Holder> = serde_json::from_slice(&holder).ok();
                let (pid, host) = holder.map_or((0, "?".to_owned()), |holder| (holder.pid, holder.host));
                return Err(ScheduleError::ScheduleBusy { pid, host });
            }
            LockAttempt::Held { .. } => std::thread::sleep(LOCK_RETRY),
        }
    }
}

fn unreadable(repository: &Repository, detail: String) -> ScheduleError {
    ScheduleError::ScheduleUnreadable {
        storage: repository.storage().describe(),
        object: SCHEDULE_KEY.to_owned(),
        detail,
    }
}
