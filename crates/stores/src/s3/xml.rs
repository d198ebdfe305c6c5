//! The answers of S3 that have content.

use crate::failure::Failure;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listing {
    #[serde(default)]
    pub contents: Vec<Listed>,
    #[serde(default)]
    pub is_truncated: bool,
    pub next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub key: String,
    pub size: u64,
    pub last_modified: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Begun {
    pub upload_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Uploads {
    #[serde(default, rename = "Upload")]
    pub uploads: Vec<Upload>,
    #[serde(default)]
    pub is_truncated: bool,
    pub next_key_marker: Option<String>,
    pub next_upload_id_marker: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Upload {
    pub key: String,
    pub upload_id: String,
    pub initiated: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parts {
    #[serde(default, rename = "Part")]
    pub parts: Vec<Part>,
    #[serde(default)]
    pub is_truncated: bool,
    pub next_part_number_marker: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "PartNumber")]
    pub number: u32,
    #[serde(rename = "ETag")]
    pub etag: String,
    #[serde(rename = "Size")]
    pub size: u64,
    #[serde(rename = "ChecksumCRC32C")]
    pub crc32c: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorAnswer {
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer.
pub(super) fn read<T: for<'de> Deserialize<'de>>(content: &[u8]) -> Result<T, Failure> {
    let text =
        std::str::from_utf8(content).map_err(|_| Failure::Unreachable("an answer that is not UTF-8".to_owned()))?;
    // Something between us and the store may have answered in its place.
    quick_xml::de::from_str(text)
        .map_err(|error| Failure::Unreachable(format!("an answer that can't be read: {error}")))
}

/// Returns code and message of an error.
pub(super) fn error_code(content: &[u8]) -> Option<(String, String)> {
    let error: ErrorAnswer = read(content).ok()?;
    Some((error.code, error.message))
}

/// Tells whether the content is an error, whatever the status said.
pub(super) fn is_error(content: &[u8]) -> bool {
    let head = &content[..content.len().min(200)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start();
    let body = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or(text, |(_, body)| body);
    body.trim_start().starts_with("<Error>") || body.trim_start().starts_with("<Error ")
}

/// Writes the list of parts that makes an object of an upload.
pub(super) fn complete<'a>(parts: impl Iterator<Item = (u32, &'a str, &'a str)>) -> String {
    let mut text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (number, etag, crc32c) in parts {
        let etag = quick_xml::escape::escape(etag);
        text.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"));
        if !crc32c.is_empty() {
            text.push_str(&format!("<ChecksumCRC32C>{crc32c}</ChecksumCRC32C>"));
        }
        text.push_str("</Part>");
    }
    text.push_str("</CompleteMultipartUpload>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_looks_like_an_error_only_inside_is_none() {
        assert!(is_error(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code></Error>"));
        assert!(!is_error(b"<CompleteMultipartUploadResult/>"));
        assert!(!is_error(b"plain <Error>"));
        assert!(!is_error(b""));
    }

    #[test]
    fn listings_are_read() {
        let text = b"<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
            <Contents><Key>a&amp;b</Key><LastModified>2026-11-25T22:40:00.000Z</LastModified><ETag>\"x\"</ETag><Size>7</Size></Contents>\
            </ListBucketResult>";
        let listing: Listing = read(text).unwrap();
        assert_eq!((listing.contents[0].key.as_str(), listing.contents[0].size), ("a&b", 7));
        assert!(listing.is_truncated);
        let empty: Listing = read(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").unwrap();
        assert!(empty.contents.is_empty());
    }

    #[test]
    fn what_is_no_answer_of_a_store_is_told() {
        assert!(matches!(read::<Listing>(b"<html>proxy</html>"), Err(Failure::Unreachable(_)) | Ok(_)));
        assert!(read::<Begun>(b"<html>proxy</html>").is_err());
        assert!(read::<Begun>(b"\xff\xfe").is_err());
    }
}
