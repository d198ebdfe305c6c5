use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log that is put aside when it has grown, and found again when somebody else has put it aside.
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    /// From this size on it is put aside.
    limit_bytes: u64,
    /// How many old ones stay: `.1` is the newest of them.
    kept: u32,
}

impl RotatingFile {
    /// Opens or makes the log, for its owner only.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path, limit_bytes: u64, kept: u32) -> io::Result<Self> {
        Ok(RotatingFile { path: path.to_owned(), file: open(path)?, limit_bytes, kept })
    }

    /// Appends a line in one write, so that those who follow the file see whole ones.
    ///
    /// # Errors
    /// Those of the system. When old logs can't be moved the line is written all the same: a log that grows is better than none.
    pub fn write_line(&mut self, line: &str) -> io::Result<()> {
        if self.was_moved() {
            self.file = open(&self.path)?;
        }
        let rotated = if self.file.metadata()?.len() >= self.limit_bytes { self.rotate() } else { Ok(()) };
        self.file.write_all(line.as_bytes())?;
        rotated
    }

    /// Tells whether another file, or none, lies where this one was opened: logrotate has moved it, say.
    fn was_moved(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let same = |there: std::fs::Metadata| {
                self.file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
            };
            !std::fs::metadata(&self.path).is_ok_and(same)
        }
        // An open file can't be moved there.
        #[cfg(not(unix))]
        false
    }

    /// Moves each log one number up; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.kept).rev() {
            let older = self.numbered(number);
            if older.exists() {
                std::fs::rename(&older, self.numbered(number + 1))?;
            }
        }
        std::fs::rename(&self.path, self.numbered(1))?;
        self.file = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn write(log: &mut RotatingFile, line: &str) {
        log.write_line(line).unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn the_newest_five_old_logs_stay_and_no_line_is_lost_among_them() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("backup_scheduler.log");
        let mut log = RotatingFile::open(&path, 100, 5)?;
        for number in 0..100 {
            write(&mut log, &format!("{number:03} INFO {}\n", "x".repeat(40)));
        }
        let names = ["", ".1", ".2", ".3", ".4", ".5", ".6"];
        let logs: Vec<String> =
            names.iter().map(|end| text(&folder.path().join(format!("backup_scheduler.log{end}")))).collect();
        assert_eq!(logs[6], "");
        let kept: String = logs[..6].iter().rev().map(String::as_str).collect();
        let numbers: Vec<u32> = kept.lines().filter_map(|line| line[..3].parse().ok()).collect();
        let first = numbers[0];
        assert_eq!(numbers, (first..100).collect::<Vec<_>>());
        assert!(numbers.len() >= 11, "{numbers:?}");
        assert!(logs[..6].iter().all(|log| log.len() <= 200 && !log.is_empty()));
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_log_that_somebody_else_moved_or_removed_is_begun_anew() -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("backup_scheduler.log");
        let moved = folder.path().join("moved");
        let mut log = RotatingFile::open(&path, 1000, 5)?;
        write(&mut log, "one\n");
        std::fs::rename(&path, &moved)?;
        write(&mut log, "two\n");
        std::fs::remove_file(&path)?;
        write(&mut log, "three\n");
        assert_eq!((text(&moved).as_str(), text(&path).as_str()), ("one\n", "three\n"));
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn a_line_is_written_even_when_nothing_can_be_moved() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("backup_scheduler.log");
        let mut log = RotatingFile::open(&path, 5, 1)?;
        write(&mut log, "first\n");
        std::fs::create_dir(folder.path().join("backup_scheduler.log.1"))?;
        assert!(log.write_line("second\n").is_err());
        assert_eq!(text(&path), "first\nsecond\n");
        Ok(())
    }
}
