//! kill -9 in the middle of a backup, and a disk that fills up: the repository stays true, and the next run works.

#![cfg(unix)]

mod common;

use common::{Answer, Cadena};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::{ClusterOptions, TestCluster, available_versions};

/// How many backups are killed.
const ROUNDS: u64 = 30;

struct Scene {
    _cluster: TestCluster,
    cadena: Cadena,
}

fn scene(repository: Option<&Path>) -> Option<Scene> {
    let version = available_versions().pop()?;
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 200000) id");
    let mut cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user());
    if let Some(folder) = repository {
        cadena = cadena.variable("BACKUP_DIR", &folder.display().to_string());
    }
    Some(Scene { _cluster: cluster, cadena })
}

impl Scene {
    fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.cadena.run(arguments);
        assert!(answer.code == 0 || answer.code == 3, "{arguments:?}: {answer:?}");
        answer
    }

    /// File names in the folder of FULL backups.
    fn files(&self) -> Vec<PathBuf> {
        let folder = self.cadena.path("backups_incrementales").join("full");
        std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    }
}

#[test]
fn a_backup_killed_at_any_point_is_never_listed_as_completed_and_the_next_one_sweeps_up() {
    let Some(scene) = scene(None) else { return };
    scene.ok(&["init"]);
    // How long a whole one takes sets the range of moments; a linear congruence spreads them, the same in every run.
    let begin = std::time::Instant::now();
    scene.ok(&["full", "--checkpoint", "fast", "--max-rate", "40MB"]);
    let whole = begin.elapsed();
    let mut killed_running = 0;
    for round in 0..ROUNDS {
        let moment = whole.mul_f64(((round * 7919) % 101) as f64 / 96.0);
        let reader = if round % 2 == 0 { "local" } else { "sql" };
        let mut command =
            scene.cadena.command(&["full", "--checkpoint", "fast", "--max-rate", "40MB", "--reader", reader]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        killed_running += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();

        // Whatever the moment: what is listed as completed is whole.
        let list = scene.ok(&["list", "--json"]).json();
        for backup in list["backups"].as_array().unwrap() {
            let archive = backup["archive_name"].as_str().unwrap();
            let found = scene.cadena.path("backups_incrementales").join("full").join(archive);
            let size = std::fs::metadata(&found).ok().map(|metadata| metadata.len());
            match backup["state"].as_str() {
                Some("COMPLETADO") => assert_eq!(size, backup["archive_bytes"].as_u64(), "{backup}"),
                Some("FALLIDO") => assert_eq!(size, None, "{backup}"),
                other => panic!("state {other:?} of {backup}"),
            }
        }
    }
    assert!(killed_running > ROUNDS / 2, "only {killed_running} of {ROUNDS} were killed while they ran");

    // The next one sweeps up, and everything that is there is valid.
    scene.ok(&["full", "--checkpoint", "fast"]);
    let validation = scene.cadena.run(&["validate", "--json"]);
    assert_eq!(validation.code, 0, "{validation:?}");
    let status = scene.ok(&["status", "--json"]).json();
    assert!(status["running"].is_null() && status["interrupted"].is_null(), "{status}");
    let left: Vec<_> = scene.files().into_iter().filter(|path| path.to_string_lossy().contains("partial")).collect();
    assert!(left.is_empty(), "{left:?}");
    let list = scene.ok(&["list", "--json"]).json();
    let ids: Vec<_> = list["backups"].as_array().unwrap().iter().map(|backup| backup["id"].as_u64().unwrap()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn a_full_disk_fails_the_backup_clearly_and_more_room_mends_it() {
    let mount = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .arg(mount.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !run("mount", &["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"]) {
        eprintln!(
            "SKIPPED a_full_disk_fails_the_backup_clearly_and_more_room_mends_it: only root may mount a small disk"
        );
        return;
    }
    let unmount = scopeguard(|| {
        // Whatever the test found; a busy mount goes when its last user does.
        let _ = Command::new("umount").arg("-l").arg(mount.path()).status();
    });
    let Some(scene) = scene(Some(mount.path())) else { return };
    scene.ok(&["init"]);
    let failed = scene.cadena.run(&["full", "--checkpoint", "fast", "--json"]);
    assert_eq!((failed.code, failed.json()["error"]["key"].as_str()), (1, Some("storage-full")), "{failed:?}");
    let list = scene.ok(&["list", "--json"]).json();
    assert!(list["backups"].as_array().unwrap().iter().all(|backup| backup["state"] == "FALLIDO"), "{list}");

    assert!(run("mount", &["-o", "remount,size=200m"]));
    scene.ok(&["full", "--checkpoint", "fast"]);
    assert_eq!(scene.cadena.run(&["validate", "--level", "deep"]).code, 0);
    drop(unmount);
}

/// Runs something at the end of a scope, also after a panic.
fn scopeguard(end: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(end)
}
