//! `cadena init`: makes the repository of a cluster and the catalog in its database, and looks at the role's privileges.

use super::catalog::make;
use super::catalog_hook::tell;
use super::{Outcome, encryption, open_repository, storage, tool_version};
use crate::app::Session;
use crate::args::InitOptions;
use crate::config::CatalogUse;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::render::{Problem, facts, problem_of};
use cadena::catalog::{CatalogState, grants, state};
use cadena::cluster::{ClusterInfo, Connection, PrivilegeFinding, probe, required_grants};
use cadena::encryption::Recipients;
use cadena::repository::{FORMAT_VERSION, Repository, RepositoryDescription};
use cadena::wal::create_slot;
use serde::Serialize;

#[derive(Serialize)]
struct InitReport<'a> {
    repository: String,
    /// False when it was there before.
    created: bool,
    cluster: &'a ClusterInfo,
    /// The permanent slot that was made, with `--slot`.
    slot: Option<&'a str>,
    /// `None` when none was wanted.
    catalog: Option<CatalogSetUp>,
}

/// What became of the catalog.
#[derive(Serialize)]
#[serde(untagged)]
enum CatalogSetUp {
    There(CatalogState),
    /// Backups work without it.
    Failed {
        error: Problem,
    },
}

#[derive(Serialize)]
struct GrantsReport<'a> {
    role: &'a str,
    statements: Vec<String>,
}

/// Makes the repository (again: no change), or prints the statements that a role needs.
pub fn run(session: &Session, options: &InitOptions) -> Outcome {
    let mut connection = Connection::connect(&session.settings.connection)?;
    let cluster = probe(&mut connection)?;
    if options.print_grants {
        let role = options.role.as_deref().unwrap_or(&cluster.role);
        return print_grants(session, role, &cluster, &mut connection);
    }
    if options.passphrase {
        encryption::check_passphrase(session)?;
    }
    let created = open_repository(session).is_err();
    let repository = create(session, options, &cluster)?;
    encryption::begin(session, &repository, if created { &[] } else { &options.recipient }, options.passphrase)?;
    let slot = match options.slot {
        true => {
            create_slot(&mut connection, &session.settings.slot)?;
            Some(session.settings.slot.as_str())
        }
        false => None,
    };
    let catalog = set_up_catalog(session, options, &mut connection);
    let report = InitReport { repository: repository.storage().describe(), created, cluster: &cluster, slot, catalog };
    session.screen.result(&report, || text(session, &report))?;
    Ok(remark_privileges(session, &cluster.missing_privileges))
}

/// Makes the catalog and fills it. What keeps it from being made is told; the repository is what matters.
fn set_up_catalog(session: &Session, options: &InitOptions, connection: &mut Connection) -> Option<CatalogSetUp> {
    if options.no_catalog || session.settings.catalog.enabled == CatalogUse::Off {
        return None;
    }
    let made = make(session, connection).and_then(|_| Ok(state(connection)?));
    Some(match made {
        Ok(state) => CatalogSetUp::There(state),
        Err(failure) => {
            tell(session, &failure);
            CatalogSetUp::Failed { error: problem_of(&failure, &session.locale, session.zone()) }
        }
    })
}

fn print_grants(session: &Session, role: &str, cluster: &ClusterInfo, connection: &mut Connection) -> Outcome {
    let mut statements = required_grants(cluster.version, role);
    if session.settings.catalog.enabled != CatalogUse::Off {
        statements.extend(grants(connection, role)?);
    }
    let report = GrantsReport { role, statements };
    if session.screen.json {
        session.screen.result(&report, String::new)?;
    } else {
        // The output is the product, ready for psql: `--quiet` does not swallow it.
        session.screen.out(&(report.statements.join("\n") + "\n"))?;
    }
    Ok(ExitStatus::Success)
}

/// Makes it encrypted from its first byte, for whom the command and the configuration name.
fn create(session: &Session, options: &InitOptions, cluster: &ClusterInfo) -> Result<Repository, Failure> {
    let named = [session.settings.encryption.recipients.as_slice(), &options.recipient].concat();
    let recipients = Recipients::parse(&named)?;
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: cluster.system_identifier,
        postgresql_version: cluster.version,
        encryption_recipients: recipients.map_or_else(Vec::new, |recipients| recipients.texts().to_vec()),
        created_by: tool_version(),
    };
    Ok(Repository::create(storage(session)?, &description)?)
}

fn text(session: &Session, report: &InitReport<'_>) -> String {
    let locale = &session.locale;
    let headline = match report.created {
        true => locale.say("init-created"),
        false => locale.say("init-existed"),
    };
    let pairs = [
        (locale.say("init-repository"), report.repository.clone()),
        (locale.say("init-cluster"), report.cluster.system_identifier.to_string()),
        (locale.say("fact-server"), format!("PostgreSQL {}", report.cluster.server_version)),
        (locale.say("init-role"), report.cluster.role.clone()),
    ];
    let slot = report.slot.map(|slot| locale.say_with("init-slot", &[("slot", slot.into())]) + "\n");
    let catalog = match &report.catalog {
        Some(CatalogSetUp::There(_)) => locale.say("init-catalog") + "\n",
        _ => String::new(),
    };
    format!("{headline}\n{}{}{catalog}{}\n", facts(&pairs), slot.unwrap_or_default(), locale.say("init-next"))
}

/// Tells which privileges are missing and what mends it.
fn remark_privileges(session: &Session, missing: &[PrivilegeFinding]) -> ExitStatus {
    let locale = &session.locale;
    for finding in missing.iter().filter(|_| !session.screen.json) {
        let purpose = locale.text(&finding.purpose, &[]);
        let values = [("purpose", purpose.into()), ("grant", finding.grant.as_str().into())];
        session.screen.remark(&locale.say_with("init-privilege", &values));
    }
    if missing.iter().any(|finding| finding.required) { ExitStatus::Warnings } else { ExitStatus::Success }
}
