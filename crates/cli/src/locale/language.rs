use clap::ValueEnum;
use unic_langid::LanguageIdentifier;

/// A language that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    #[value(name = "en")]
    English,
    #[value(name = "es")]
    Spanish,
}

impl Language {
    /// Every language.
    #[cfg(test)]
    pub const ALL: [Language; 2] = [Language::English, Language::Spanish];

    /// Returns the language's two-letter code.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Spanish => "es",
        }
    }

    /// Returns the language's identifier.
    pub fn identifier(self) -> LanguageIdentifier {
        // Both codes parse; a test says so.
        self.code().parse().unwrap_or_default()
    }

    /// Reads a locale's name such as `es_AR.UTF-8`, `es-AR` or `en`; `None` for `C`, `POSIX` and languages we don't speak.
    pub fn from_locale_name(name: &str) -> Option<Self> {
        let language = name.split(['_', '-', '.', '@']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "en" => Some(Language::English),
            "es" => Some(Language::Spanish),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_an_identifier() {
        for language in Language::ALL {
            assert_eq!(language.identifier().to_string(), language.code());
        }
    }

    #[test]
    fn reads_locale_names_of_every_form() {
        for name in ["es", "es_AR.UTF-8", "es-ES", "ES_mx", "es@euro"] {
            assert_eq!(Language::from_locale_name(name), Some(Language::Spanish), "{name}");
        }
        for name in ["C", "POSIX", "C.UTF-8", "de_DE", "", "est"] {
            assert_eq!(Language::from_locale_name(name), None, "{name}");
        }
    }
}
