//! Having a backup made.

use axum::{Json, extract::State};

use super::{
    Api,
    error::{Code, Error},
};
use crate::backups::{Backup, BackupError};

/// Makes a backup where the configuration says, and answers when it is there.
pub(super) async fn make(State(api): State<Api>) -> Result<Json<Backup>, Error> {
    let backups = api.backups.ok_or(Code::NoBackups)?;
    backups.make().await.map(Json).map_err(|error| match error {
        BackupError::Busy => Error::new(Code::Busy, error.to_string()),
        BackupError::Stopped(_) => Code::Stopping.into(),
        BackupError::Store(error) => {
            tracing::error!("a backup was asked for and not made: {error}");
            Error::new(Code::BackupFailed, error.to_string())
        }
    })
}
