//! How do bytes flow? Workers in parallel, results in order, memory bounded, cancellable. Knows neither PostgreSQL nor paths.

mod cancel;
mod error;
mod progress;

pub use cancel::Cancel;
pub use error::PipelineError;
pub use progress::{Phase, Progress, SilentProgress};
