use crate::app::Session;
use cadena::daemon::DaemonHooks;
use cadena::repository::Repository;
use cadena::scheduler::{Run, RunFailure, RunNote, RunSummary};
use cadena::verify::{ValidationReport, validate_due};
use cadena::{Cancel, SilentProgress};

/// What the daemon runs beside backups.
pub struct Hooks<'a> {
    pub session: &'a Session,
    pub repository: Repository,
}

impl DaemonHooks for Hooks<'_> {
    fn validate(&self, _run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let settings = &self.session.settings;
        let due = settings.validation.due(settings.jobs, self.session.who());
        let round = validate_due(&self.repository, &due, jiff::Timestamp::now(), &SilentProgress, cancel)?;
        let is_damaged =
            |outcome: &Result<ValidationReport, cadena::Error>| !outcome.as_ref().is_ok_and(ValidationReport::is_valid);
        let damaged = round.outcomes.iter().filter(|(_, outcome)| is_damaged(outcome)).count();
        let note = RunNote::RunNoteValidated { count: round.outcomes.len() as u64, damaged: damaged as u64 };
        Ok(RunSummary { has_faults: damaged > 0, ..RunSummary::fine(&note) })
    }

    fn cleanup(&self, _run: &Run, _cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        // Nothing is ever removed without a policy that says so.
        Ok(RunSummary::fine(&RunNote::RunNoteNothing {}))
    }
}
