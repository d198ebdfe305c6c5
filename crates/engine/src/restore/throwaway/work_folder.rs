use super::folder::{Layout, Workspace};
use super::raise::choose_owner;
use super::{ThrowAwayError, ThrowAwayPlace};
use crate::Error;
use std::path::{Path, PathBuf};

/// A folder for files that are needed for a moment, marked as a throw-away cluster's is: after a kill the next sweep removes it.
#[derive(Debug)]
pub struct WorkFolder {
    /// `None` once it was closed.
    workspace: Option<Workspace>,
    path: PathBuf,
}

impl WorkFolder {
    /// Makes it.
    ///
    /// # Errors
    /// `ThrowAwayFolder`; `ClusterNoUser`.
    pub fn make(place: &ThrowAwayPlace) -> Result<Self, Error> {
        let layout = Layout::draw(place);
        let path = layout.path.clone();
        Ok(WorkFolder { workspace: Some(Workspace::make(place, layout, &choose_owner(None)?)?), path })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// `ThrowAwayRemains`; the next sweep tries again.
    pub fn close(mut self) -> Result<(), ThrowAwayError> {
        self.workspace.take().map_or(Ok(()), |workspace| workspace.remove())
    }
}

impl Drop for WorkFolder {
    /// The way out after an error: there is one to report already.
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take()
            && let Err(error) = workspace.remove()
        {
            tracing::warn!(%error, "a work folder is left for the next sweep");
        }
    }
}
