// SPDX-License-Identifier: GPL-3.0-or-later
//! Values of options, from a command line and from a request alike.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most seconds that a clock can count without trouble.
const SECONDS_MAX: f64 = 1e9;

/// A number of seconds that a clock can count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(f64);

impl Seconds {
    pub(crate) const fn new(seconds: u16) -> Self {
        Self(seconds as f64)
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        if (0.0..=SECONDS_MAX).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} is not a number of seconds"))
        }
    }
}

impl std::str::FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: Option<f64> = text.parse().ok();
        number
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| format!("{text} is not a number of seconds"))
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How often something is done in a second.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Rate(f64);

impl Rate {
    /// When the edit of that number is due, counted from the beginning.
    pub(crate) fn due(self, number: usize) -> Duration {
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 edits")]
        Duration::from_secs_f64((number as f64 / self.0).min(SECONDS_MAX))
    }
}

impl TryFrom<f64> for Rate {
    type Error = String;

    fn try_from(rate: f64) -> Result<Self, String> {
        if (1e-3..=1e6).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(format!("{rate} is not a number of edits a second"))
        }
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: Option<f64> = text.parse().ok();
        number
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| format!("{text} is not a number of edits a second"))
    }
}

/// Names of files, which need not be text: where one is not, its bytes are passed.
pub(crate) mod path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(String),
        Bytes(Vec<u8>),
    }

    impl From<&Path> for Name {
        fn from(path: &Path) -> Self {
            match path.to_str() {
                Some(text) => Self::Text(text.to_owned()),
                None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
            }
        }
    }

    impl From<Name> for PathBuf {
        fn from(name: Name) -> Self {
            match name {
                Name::Text(text) => text.into(),
                Name::Bytes(bytes) => OsString::from_vec(bytes).into(),
            }
        }
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        Name::from(path).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        Name::deserialize(deserializer).map(PathBuf::from)
    }

    /// The same of many.
    pub(crate) mod many {
        use super::{Deserialize, Deserializer, Name, PathBuf, Serialize, Serializer};

        pub(crate) fn serialize<S: Serializer>(
            paths: &[PathBuf],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            let names: Vec<Name> = paths
                .iter()
                .map(|path| Name::from(path.as_path()))
                .collect();
            names.serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Vec<PathBuf>, D::Error> {
            let names = Vec::<Name>::deserialize(deserializer)?;
            Ok(names.into_iter().map(PathBuf::from).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_number_comes_in_that_a_clock_cannot_count() {
        for wrong in ["-1", "1e300", "-0.5", "2e9"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
            assert!(serde_json::from_str::<Seconds>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["-1", "0", "1e-320", "1e300"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
            assert!(serde_json::from_str::<Rate>(wrong).is_err(), "{wrong}");
        }
        assert!("NaN".parse::<Seconds>().is_err() && "NaN".parse::<Rate>().is_err());
        let half: Seconds = "0.5".parse().unwrap();
        assert_eq!(half.duration(), Duration::from_millis(500));
        let rate: Rate = serde_json::from_str("0.001").unwrap();
        assert_eq!(rate.due(2), Duration::from_secs(2_000));
    }
}
