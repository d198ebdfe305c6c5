use serde_json::Value;
use service::metrics::METRICS;
use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Finds every word that looks like one of our metrics.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| word.starts_with("cadena_") && *word != "cadena_").collect()
}

fn known() -> BTreeSet<&'static str> {
    METRICS.iter().map(|metric| metric.name).collect()
}

/// Finds label matchers such as `kind="FULL"` and `by (kind)`, and labels in `{{ $labels.kind }}`.
fn labels_in(text: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let named = text.split("$labels.").skip(1).map(word);
    let matched = text.split('{').skip(1).filter_map(|part| part.split_once('}')).flat_map(|(inner, _)| {
        inner
            .split(',')
            .filter_map(|matcher| matcher.split_once('='))
            .map(|(name, _)| word(name.trim()))
            .collect::<Vec<_>>()
    });
    named.chain(matched).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_alert_stands_on_metrics_that_exist_and_says_what_it_is() {
    let text = read("monitoring/alerts.yml");
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 15, "{}", alerts.len());
    let mut names = BTreeSet::new();
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        assert!(names.insert(name), "{name} stands twice");
        let field = |key: &str| {
            let line = alert.lines().find_map(|line| line.trim().strip_prefix(&format!("{key}: ")));
            line.unwrap_or_else(|| panic!("{name} has no {key}"))
        };
        let expression = field("expr");
        let used = metrics_in(expression);
        assert!(!used.is_empty() || expression.starts_with("up{"), "{name}: {expression}");
        assert!(used.is_subset(&known()), "{name}: {:?}", used.difference(&known()));
        assert!(["critical", "warning"].contains(&field("severity")), "{name}");
        assert!(field("summary").starts_with('"') && field("description").starts_with('"'), "{name}");
        let may: BTreeSet<&str> = METRICS
            .iter()
            .filter(|metric| used.contains(metric.name))
            .flat_map(|metric| metric.labels.iter().copied())
            .chain(["job", "instance"])
            .collect();
        for label in labels_in(alert) {
            assert!(may.contains(label.as_str()), "{name}: label {label}");
        }
    }
}

#[test]
fn every_panel_of_the_dashboard_shows_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&read("monitoring/grafana-dashboard.json")).unwrap();
    assert!(dashboard["title"].is_string() && dashboard["schemaVersion"].is_u64() && dashboard["uid"].is_string());
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut shown = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let place = &panel["gridPos"];
        let number = |name: &str| place[name].as_u64().unwrap_or_else(|| panic!("{title}: {name}"));
        assert!(number("x") + number("w") <= 24 && number("h") > 0, "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            let used = metrics_in(expression);
            assert!(!used.is_empty() && used.is_subset(&known()), "{title}: {expression}");
            assert!(expression.contains("instance=~\"$instance\""), "{title}: {expression}");
            let may: BTreeSet<&str> =
                METRICS.iter().filter(|m| used.contains(m.name)).flat_map(|m| m.labels.iter().copied()).collect();
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).filter_map(|part| part.split("}}").next()) {
                assert!(may.contains(label) || label == "instance", "{title}: {label}");
            }
            shown.extend(used.into_iter().map(str::to_owned));
        }
    }
    assert!(shown.len() >= 20, "{shown:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["query"].as_str().unwrap();
        assert!(metrics_in(query).is_subset(&known()), "{query}");
    }
}

#[test]
fn the_reference_lists_every_metric_with_its_labels_and_no_other() {
    let text = read("reference/metrics.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `cadena_")).collect();
    assert_eq!(rows.len(), METRICS.len());
    for (row, metric) in rows.iter().zip(METRICS) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1], format!("`{}`", metric.name));
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        assert_eq!(cells[2], labels.join(", "), "{}", metric.name);
        assert!(cells[3].starts_with(metric.help), "{}", metric.name);
    }
}

#[test]
fn the_reference_names_every_template() {
    let text = read("reference/notifications.md");
    for (name, _) in service::notify::BUILT_IN {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
