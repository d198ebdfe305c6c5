use super::results::error_form;
use super::{BackupService, ServiceSettings};
use engine::replica::{Replica, ReplicaLink, ReplicaStep};
use engine::{Cancel, Error, Phase, Progress};
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use std::time::Instant;
use vault::repository::BackupId;

/// Copies backups elsewhere: the description's `CloudStorageService(db, provider=…, config=…)`.
pub struct CloudStorageService {
    settings: ServiceSettings,
    replica: Replica,
}

/// How a copy ended.
#[derive(Debug, Serialize)]
pub struct UploadResult {
    /// Whether the backup, and what it stands on, is whole there.
    #[serde(rename = "exitoso")]
    pub succeeded: bool,
    /// What happened, in English; [`Self::error`] is for programs.
    #[serde(rename = "mensaje")]
    pub message: String,
    /// Where its archive is.
    pub url: Option<String>,
    /// Who keeps it: `LOCAL`, `S3`, `GOOGLE_DRIVE`, …
    #[serde(rename = "proveedor")]
    pub provider: String,
    /// Backups that went now: those that it stands on may have had to.
    #[serde(rename = "backups_subidos")]
    pub uploaded: Vec<BackupId>,
    /// Bytes that went.
    #[serde(rename = "tamano_bytes")]
    pub bytes: u64,
    /// Wall time.
    #[serde(rename = "tiempo_segundos")]
    pub seconds: f64,
    /// Why it failed.
    #[serde(serialize_with = "error_form")]
    pub error: Option<Error>,
}

impl CloudStorageService {
    /// Makes the service for a repository and one place.
    pub fn new(backups: &BackupService, replica: Replica) -> Self {
        CloudStorageService { settings: backups.settings().clone(), replica }
    }

    /// Copies a completed backup there, what it stands on first. One that is there already is not sent again.
    pub fn upload_backup(&self, id: BackupId, progress: &dyn Progress, cancel: &Cancel) -> UploadResult {
        let begin = Instant::now();
        let provider = self.replica.provider.clone();
        let result = self.upload(id, progress, cancel);
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok((url, uploaded, bytes)) => UploadResult {
                succeeded: true,
                message: format!("backup {id} is in {}", self.replica.name),
                url,
                provider,
                uploaded,
                bytes,
                seconds,
                error: None,
            },
            Err(error) => UploadResult {
                succeeded: false,
                message: error.to_string(),
                url: None,
                provider,
                uploaded: Vec::new(),
                bytes: 0,
                seconds,
                error: Some(error),
            },
        }
    }

    fn upload(
        &self,
        id: BackupId,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(Option<String>, Vec<BackupId>, u64), Error> {
        let link = ReplicaLink::begin(&self.settings.repository, &self.replica)?;
        let now = Zoned::new(Timestamp::now(), self.settings.backup.time_zone.clone());
        let step = |step| match step {
            ReplicaStep::ReplicaSending { bytes, .. } => progress.phase(Phase::Sending, Some(bytes)),
            ReplicaStep::ReplicaSent { bytes } => progress.advance(bytes),
        };
        let pushed = link.push_backups(None, &now, Some(id), &step, cancel);
        if !pushed.as_ref().is_err_and(Error::is_cancelled) {
            link.note_outcome("upload", pushed.as_ref().err());
        }
        let url = link.state().backups.get(&id.0).map(|copy| copy.url.clone());
        link.finish();
        let mut pushed = pushed?;
        match pushed.faulty.pop() {
            Some((_, error)) => Err(error),
            None => Ok((url, pushed.copied, pushed.bytes)),
        }
    }
}
