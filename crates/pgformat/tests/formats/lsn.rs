use pgformat::{FormatError, Lsn, SystemIdentifier, TimelineId};
use proptest::prelude::*;

#[test]
fn an_lsn_prints_as_postgresql_prints_it() {
    for (number, text) in
        [(0, "0/0"), (0x0200_0028, "0/2000028"), (0x16_B374_D848, "16/B374D848"), (u64::MAX, "FFFFFFFF/FFFFFFFF")]
    {
        assert_eq!(Lsn(number).to_string(), text);
        assert_eq!(text.parse(), Ok(Lsn(number)));
    }
    assert_eq!("a/b".parse(), Ok(Lsn(0xa_0000_000b)));
}

#[test]
fn refuses_what_is_no_lsn() {
    for text in [
        "",
        "0",
        "/",
        "0/",
        "/0",
        "0/0/0",
        "+1/0",
        "-1/0",
        " 0/0",
        "0/0 ",
        "0x1/0",
        "123456789/0",
        "0/123456789",
        "G/0",
        "0/０",
    ] {
        let expected = FormatError::FormatText { what: "LSN", text: text.to_owned() };
        assert_eq!(text.parse::<Lsn>(), Err(expected));
    }
}

#[test]
fn an_lsn_is_text_in_json_and_so_is_a_system_identifier() {
    assert_eq!(serde_json::to_string(&Lsn(0x0200_0028)).unwrap(), "\"0/2000028\"");
    assert_eq!(serde_json::from_str::<Lsn>("\"0/2000028\"").unwrap(), Lsn(0x0200_0028));
    assert!(serde_json::from_str::<Lsn>("33554472").is_err());
    let identifier = SystemIdentifier(7_654_321_098_765_432_109);
    assert_eq!(serde_json::to_string(&identifier).unwrap(), "\"7654321098765432109\"");
    assert_eq!(serde_json::from_str::<SystemIdentifier>("\"7654321098765432109\"").unwrap(), identifier);
    assert!(serde_json::from_str::<SystemIdentifier>("\"-1\"").is_err());
    assert_eq!(serde_json::to_string(&TimelineId(3)).unwrap(), "3");
}

#[test]
fn an_error_names_its_sentence_and_arguments() {
    let error = "x".parse::<Lsn>().unwrap_err();
    let json = serde_json::to_value(&error).unwrap();
    assert_eq!(json, serde_json::json!({"key": "format-text", "what": "LSN", "text": "x"}));
}

proptest! {
    #[test]
    fn every_lsn_reads_back(number: u64) {
        prop_assert_eq!(Lsn(number).to_string().parse(), Ok(Lsn(number)));
    }
}
