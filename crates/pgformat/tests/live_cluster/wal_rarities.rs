//! What servers write rarely, made to happen.

use crate::every_folder;
use crate::server::Server;
use crate::wal::{check_against_pg_waldump, check_end, check_summaries, geometry, read, segments};
use pgformat::Lsn;
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use pgformat::wal::WalFact;
use std::os::unix::fs::FileExt;

/// Reads what a server says of itself.
fn control(server: &Server) -> ControlFile {
    ControlFile::parse(&std::fs::read(server.data_directory.join(CONTROL_FILE_PATH)).unwrap()).unwrap()
}

/// A record that was to go on in a page that the disk never got is overwritten after the crash.
#[test]
fn a_record_that_a_crash_broke_off_is_left_out_as_its_server_does() {
    for folder in every_folder() {
        let mut server = Server::start_with(&folder, &["wal_keep_size = 1GB"], &["--wal-segsize=1"]);
        // The commit brings the message to the disk.
        let text = server.sql(
            "SELECT pg_switch_wal() IS NULL; CREATE TABLE before_it (a int);
             SELECT pg_current_wal_insert_lsn(), pg_logical_emit_message(false, 'p', repeat('m', 50000)) IS NULL;
             CREATE TABLE after_it (a int)",
        );
        let message: Lsn = text.trim().lines().last().unwrap().split('|').next().unwrap().parse().unwrap();
        server.stop("immediate");
        let before = control(&server);
        let geometry = geometry(&before);
        let all = segments(&server, &geometry);
        let segment = all.iter().find(|(segment, _)| message < segment.end_lsn(geometry.segment_size)).unwrap().0;
        let page = (message.0 + 20_000) % (1 << 20) / 8192 * 8192;
        let path = server.data_directory.join("pg_wal").join(segment.file_name(geometry.segment_size));
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&vec![0; (1 << 20) - page as usize], page).unwrap();
        server.start_again();
        server.sql("CREATE TABLE after_it_again (a int)");
        server.stop("fast");
        let segments = segments(&server, &geometry);
        let read = read(&segments, &geometry);
        check_end(&read, &control(&server));
        let next = read.records.iter().find(|(told, _)| told.lsn >= message).unwrap();
        let first_on_its_page = Lsn(segment.start_lsn(geometry.segment_size).0 + page + 24);
        assert_eq!((next.0.lsn, next.0.resource_manager.as_str()), (first_on_its_page, "XLOG"));
        check_against_pg_waldump(&server, &read, &segments, &geometry);
        check_summaries(&read, &segments, &geometry);
    }
}

/// A switch has 24 bytes; one that begins in its segment's last 8 or 16 leaves the next segment unused.
#[test]
fn a_switch_across_a_border_leaves_the_next_segment_unused() {
    for folder in every_folder() {
        let mut server = Server::start_with(&folder, &["wal_keep_size = 1GB"], &["--wal-segsize=1"]);
        server.sql(SWITCH_WITH_BYTES_LEFT);
        // Something else may be logged in between: then it is tried again.
        let switch = |left: u64| {
            (0..20).any(|_| {
                let told = server.sql(&format!("SELECT switch_with({left})"));
                let (before, after) = told.trim().split_once('|').unwrap();
                let (before, after): (Lsn, Lsn) = (before.parse().unwrap(), after.parse().unwrap());
                before.0 % (1 << 20) == (1 << 20) - left && after.0 >> 20 == (before.0 >> 20) + 2
            })
        };
        assert!(switch(8) && switch(16));
        server.sql("CREATE TABLE after_it (a int)");
        server.stop("fast");
        let control = control(&server);
        let geometry = geometry(&control);
        let segments = segments(&server, &geometry);
        let read = read(&segments, &geometry);
        check_end(&read, &control);
        check_summaries(&read, &segments, &geometry);
        let crossing = read
            .records
            .iter()
            .filter(|(told, fact)| *fact == Some(WalFact::SegmentSwitch) && told.lsn.0 % (1 << 20) > (1 << 20) - 24);
        assert!(crossing.count() >= 2, "PostgreSQL {}", server.major);
    }
}

/// Fills a segment of 1 MiB up to its last bytes, switches, and tells where it was before and after. A message's record has
/// 55 bytes more than the message (upstream `message.h`).
const SWITCH_WITH_BYTES_LEFT: &str = "
    CREATE FUNCTION switch_with(bytes_left int) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        room int;
        before pg_lsn;
    BEGIN
        LOOP
            room := 1048576 - (pg_current_wal_insert_lsn() - '0/0') % 1048576;
            EXIT WHEN room < 6000 AND room > 4000;
            PERFORM pg_logical_emit_message(false, 'p', repeat('m', 1000));
        END LOOP;
        PERFORM pg_logical_emit_message(false, 'p', repeat('m', room - bytes_left - 55));
        before := pg_current_wal_insert_lsn();
        PERFORM pg_switch_wal();
        RETURN before || '|' || pg_current_wal_insert_lsn();
    END $$";
