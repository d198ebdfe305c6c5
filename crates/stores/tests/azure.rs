//! Azure Blob when something is wrong: the key, the container, the connection.

mod support;

use std::sync::Arc;
use stores::{StoreSettings, open};
use support::{content, fresh_prefix};
use testkit::stores::{AzureServer, FaultProxy, ProxyFault};
use vault::storage::{Storage, StorageError, conformance};

fn storage(url: String, secret: (&str, &str), options: &[(&str, &str)]) -> Arc<dyn Storage> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut settings = StoreSettings { url, options, ..StoreSettings::default() };
    settings.secrets.set(secret.0, secret.1.to_owned());
    open(&settings).unwrap()
}

const KEY: (&str, &str) = ("account_key", AzureServer::KEY);
const QUICK: &[(&str, &str)] = &[("give_up_seconds", "3"), ("timeout_seconds", "2")];

/// Everything that a replica does must fail with such an error.
fn refuses(storage: &Arc<dyn Storage>, is_wanted: &dyn Fn(&StorageError) -> bool) {
    let outcomes = [
        ("get", storage.get("a").map(drop)),
        ("size", storage.size_bytes("a").map(drop)),
        ("list", storage.list("").map(drop)),
        ("put", storage.put("a", b"x")),
        ("put if absent", storage.put_if_absent("a", b"x")),
        ("stream", storage.put_stream("a").and_then(|stream| stream.commit())),
    ];
    for (action, outcome) in outcomes {
        match outcome {
            Err(error) if is_wanted(&error) => {}
            other => panic!("{action}: {other:?}"),
        }
    }
}

#[test]
fn a_wrong_key_is_told_without_it() {
    let Some(server) = AzureServer::start() else { return };
    const WRONG: &str = "ZXN0YSBubyBlcyBsYSBsbGF2ZQ==";
    refuses(&storage(server.url("x"), ("account_key", WRONG), QUICK), &|error| {
        let said = format!("{error} {error:?}");
        matches!(error, StorageError::StorageCredentials { .. })
            && !said.contains(WRONG)
            && said.contains("AuthorizationFailure")
    });
    const TOKEN: &str = "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=c2VjcmV0bw%3D%3D";
    refuses(&storage(server.url("x"), ("sas_token", TOKEN), QUICK), &|error| {
        let said = format!("{error} {error:?}");
        matches!(error, StorageError::StorageCredentials { .. }) && !said.contains("c2VjcmV0bw")
    });
}

#[test]
fn a_missing_container_is_told() {
    let Some(server) = AzureServer::start() else { return };
    let url = server.url("x").replace(AzureServer::CONTAINER, "nowhere");
    refuses(
        &storage(url, KEY, QUICK),
        &|error| matches!(error, StorageError::StorageSetting { setting, detail, .. } if setting == "url" && detail.contains("ContainerNotFound")),
    );
}

/// Writes and reads through a proxy that spoils every third request.
fn goes_through(server: &AzureServer, fault: &ProxyFault, large: &[u8]) {
    let proxy = FaultProxy::to(server.port());
    let prefix = fresh_prefix();
    let options = [("give_up_seconds", "30"), ("timeout_seconds", "2"), ("part_size", "5242880"), ("concurrency", "2")];
    let endpoint = format!("{}/{}", proxy.endpoint(), AzureServer::ACCOUNT);
    let through = storage(server.url(&prefix).replace(&server.endpoint(), &endpoint), KEY, &options);
    let chosen = fault.clone();
    proxy.set(move |_, number| if number % 3 == 1 { chosen.clone() } else { ProxyFault::None });
    through.put("a.json", b"first").unwrap();
    through.put("a.json", b"second").unwrap();
    through.put_if_absent("b.json", b"b").unwrap();
    let refusal = through.put_if_absent("b.json", b"other").unwrap_err();
    assert!(matches!(refusal, StorageError::StorageExists { .. }), "{fault:?}: {refusal:?}");
    conformance::put_streamed(through.as_ref(), "full/large", large).unwrap();
    let mut part = vec![0; 3 << 20];
    through.open("full/large").unwrap().read_exact_at(1 << 20, &mut part).unwrap();
    assert!(part == large[1 << 20..4 << 20]);
    through.put("gone", b"x").unwrap();
    through.delete("gone").unwrap();
    let (requests, faults) = proxy.counts();
    assert!(faults >= 5, "{fault:?}: {faults} of {requests}");

    let past = storage(server.url(&prefix), KEY, &options);
    assert_eq!(past.get("a.json").unwrap().unwrap(), b"second", "{fault:?}");
    assert_eq!(past.get("b.json").unwrap().unwrap(), b"b", "{fault:?}");
    assert!(past.get("full/large").unwrap().unwrap() == large, "{fault:?}");
    let keys: Vec<String> = past.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["a.json", "b.json", "full/large"], "{fault:?}");
}

#[test]
fn what_passes_by_changes_nothing() {
    let Some(server) = AzureServer::start() else { return };
    let large = content(12 << 20);
    let faults = [ProxyFault::ResetBefore, ProxyFault::ResetAfter, ProxyFault::Answer(503, None), ProxyFault::Truncate];
    std::thread::scope(|scope| {
        for fault in &faults {
            scope.spawn(|| goes_through(&server, fault, &large));
        }
    });
}

#[test]
fn a_server_that_is_gone_is_given_up_in_time_without_the_secret() {
    let url = "azblob://copias/x?account=cuenta&endpoint=http://127.0.0.1:1/cuenta".to_owned();
    refuses(
        &storage(url, ("sas_token", "sv=2022-11-02&sp=r&sig=c2VjcmV0bw%3D%3D"), &[("give_up_seconds", "1")]),
        &|error| {
            matches!(error, StorageError::StorageUnreachable { .. })
                && !format!("{error} {error:?}").contains("c2VjcmV0bw")
        },
    );
}
