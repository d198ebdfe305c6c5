//! `cadena preview`: what a restore would apply.

use super::target::{Recovery, recovery_request, selector};
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::args::PreviewOptions;
use crate::exit::ExitStatus;
use crate::render::plan_text;
use cadena::restore::{RestoreRequest, plan};

/// Plans a restore without a target and shows the plan.
pub fn run(session: &Session, options: &PreviewOptions) -> Outcome {
    let repository = open_repository(session)?;
    let request = RestoreRequest {
        selector: selector(&options.selector),
        target: None,
        tablespaces: Vec::new(),
        owner: None,
        jobs: session.settings.jobs,
        over: false,
        recovery: recovery_request(session, &options.selector, Recovery::default())?,
    };
    let plan = plan(&repository, &request)?;
    session.screen.result(&plan, || plan_text(&plan, &session.locale, session.zone()))?;
    Ok(ExitStatus::Success)
}
