use super::{Steps, named};
use crate::app::Session;
use crate::args::ReplicaPullOptions;
use crate::commands::catalog_hook::CatalogHook;
use crate::commands::{Outcome, open_repository, storage};
use crate::exit::ExitStatus;
use crate::render::units;
use cadena::replica::{PullRequest, pull};
use cadena::repository::BackupId;

/// Makes the repository out of a replica, or brings what it lacks.
pub fn run(session: &Session, options: &ReplicaPullOptions) -> Outcome {
    let replica = named(session, &options.name)?.open(&session.settings.monitoring.environment)?.replica;
    let into = storage(session)?;
    let request = PullRequest { only: options.backup.map(BackupId), without_wal: options.no_wal };
    let progress = session.progress();
    let steps = Steps::new(&*progress);
    let outcome = pull(&replica, &into, request, &|step| steps.take(step), &session.cancel)?;
    drop(progress);
    CatalogHook::new(session, &open_repository(session)?).sync_or_tell();
    let language = session.locale.language();
    session.screen.result(&outcome, || {
        let values = [
            ("replica", options.name.as_str().into()),
            ("backups", outcome.copied.len().into()),
            ("present", outcome.present.into()),
            ("segments", outcome.segments.into()),
            ("size", units::size(outcome.bytes, language).into()),
            ("duration", units::duration(outcome.seconds, language).into()),
        ];
        session.locale.say_with("replica-pulled", &values) + "\n"
    })?;
    Ok(ExitStatus::Success)
}
