/// Returns the name of this host, which holders of locks write down for others to read.
#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the name of this host, which holders of locks write down for others to read.
#[cfg(not(unix))]
pub fn host_name() -> String {
    "unknown".to_owned()
}
