//! The comparison of indexes with their tables sees what is missing in each kind of index, and what a visibility map says too much.

use testkit::random::index_disagreements;
use testkit::{ClusterOptions, TestCluster};

/// The table of the random schedules, with every kind of index that they make.
const TABLE: &str = "
    CREATE TABLE t (id bigint, k int, note text, tags bigint[], spot point, span int4range);
    INSERT INTO t SELECT n, n % 50, md5(n::text), ARRAY[n % 10], point(n % 50, n % 37), int4range((n % 500)::int, (n % 500 + 5)::int)
    FROM generate_series(1::bigint, 2000) n;
    CREATE INDEX one ON t USING btree (id); CREATE INDEX two ON t USING btree (note); CREATE INDEX three ON t USING hash (k);
    CREATE INDEX four ON t USING gin (tags); CREATE INDEX five ON t USING gist (span); CREATE INDEX six ON t USING gist (spot);
    CREATE INDEX seven ON t USING spgist (note); CREATE INDEX eight ON t USING spgist (spot); CREATE INDEX nine ON t USING brin (id);
    VACUUM ANALYZE t";

testkit::on_each_version!(an_index_that_lacks_rows_is_found_whatever_its_kind, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default().set("autovacuum", "off"));
    cluster.sql(TABLE);
    assert_eq!(index_disagreements(&cluster, "postgres"), Vec::<String>::new());
    // An index that is not ready is left out when rows are added.
    let ready = |is: bool| format!("UPDATE pg_index SET indisready = {is} WHERE indrelid = 't'::regclass");
    cluster.sql(&ready(false));
    cluster.sql(
        "UPDATE t SET id = id + 100, note = 'moved ' || note, k = (k + 1) % 50, tags = ARRAY[(id + 1) % 10], \
                 spot = point(k, k), span = int4range(k, k + 30)",
    );
    cluster.sql(&ready(true));
    let found = index_disagreements(&cluster, "postgres");
    let kinds: Vec<&str> = found.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(kinds, ["brin", "btree", "btree", "gin", "gist", "gist", "hash", "spgist", "spgist"], "{found:#?}");
});

testkit::on_each_version!(a_visibility_map_that_says_too_much_is_found, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default().checksums(false).set("autovacuum", "off"));
    cluster.sql("CREATE TABLE t AS SELECT n::bigint AS id FROM generate_series(1, 5000) n; CREATE INDEX ON t (id); VACUUM t; CHECKPOINT");
    let path = cluster.data_directory().join(cluster.sql("SELECT pg_relation_filepath('t')"));
    let map = std::path::PathBuf::from(format!("{}_vm", path.display()));
    let all_visible = std::fs::read(&map).unwrap();
    // Nobody looks through the index afterwards: whoever finds a dead row marks its entry, and the map is not asked any more.
    cluster.sql("SET enable_indexscan = off; SET enable_bitmapscan = off; DELETE FROM t WHERE id % 2 = 0");
    cluster.stop();
    // As a backup would leave it that missed the change of the map.
    std::fs::write(&map, all_visible).unwrap();
    cluster.start();
    let found = index_disagreements(&cluster, "postgres");
    assert!(found.len() == 1 && found[0].contains("btree on public.t (id)"), "{found:?}");
});
