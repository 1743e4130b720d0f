// SPDX-License-Identifier: GPL-3.0-or-later
//! What the command line says, and what is fixed when the program is built.

use std::path::PathBuf;

use gettextrs::gettext;
use gtk::glib;
use gtk::prelude::*;
use reflection_node::NetworkConfig;
use reflection_node::access::Hint;

use crate::preferences::settings;

/// The id of the settings, the same in all variants.
pub const SETTINGS_ID: &str = "app.reflection.Reflection";
/// The application id, also the name of its icon. A development version has one of its own.
pub const APP_ID: &str = match option_env!("REFLECTION_APP_ID") {
    Some(id) => id,
    None => SETTINGS_ID,
};
/// The name of the translation catalogues.
pub const TEXT_DOMAIN: &str = "reflection";
/// What this is a version of.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where translation catalogues are: where this run was told, or where they are installed.
pub fn locale_dir() -> PathBuf {
    std::env::var_os("REFLECTION_LOCALE_DIR").map_or_else(
        || option_env!("REFLECTION_LOCALE_DIR").map_or("/usr/share/locale".into(), PathBuf::from),
        PathBuf::from,
    )
}

/// The folder within that of a person's data. What is tried out in a development version does not
/// touch the documents of an installed one.
fn folder_name() -> &'static str {
    if APP_ID == SETTINGS_ID {
        "reflection"
    } else {
        "reflection-devel"
    }
}

/// How this run was asked to work.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Whether that was chosen on the command line, so that runs with other folders are separate.
    pub has_own_data_dir: bool,
    /// Whether the key may be kept in a file without asking.
    pub keeps_key_in_file: bool,
    /// How to reach others.
    pub network: NetworkConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: glib::user_data_dir().join(folder_name()),
            has_own_data_dir: false,
            keeps_key_in_file: false,
            network: NetworkConfig::default(),
        }
    }
}

/// Tells `GLib` which options there are.
pub fn add_options(application: &impl IsA<gtk::gio::Application>) {
    let option = |name: &str, arg, description: String, value: Option<&str>| {
        application.add_main_option(
            name,
            glib::Char::from(0),
            glib::OptionFlags::NONE,
            arg,
            &description,
            value,
        );
    };
    let (none, string) = (glib::OptionArg::None, glib::OptionArg::String);
    let (file, strings) = (glib::OptionArg::Filename, glib::OptionArg::StringArray);
    option(
        "data-dir",
        file,
        gettext("Keep everything in this folder"),
        Some("DIR"),
    );
    option(
        "mode",
        string,
        gettext("Whom to connect to"),
        Some("offline|local|internet"),
    );
    option(
        "bind",
        strings,
        gettext("Listen at this address"),
        Some("ADDR:PORT"),
    );
    option(
        "no-mdns",
        none,
        gettext("Do not look for people on the local network"),
        None,
    );
    option(
        "peer",
        strings,
        gettext("Connect to this device"),
        Some("ENDPOINT@ADDR:PORT"),
    );
    option(
        "key-file",
        none,
        gettext("Keep the key in a file instead of the keyring"),
        None,
    );
    option("new-window", none, gettext("Open one more window"), None);
    option("version", none, gettext("Show the version"), None);
}

/// Adds what was set in the preferences. An entry that makes no sense any more is left out.
pub fn add_preferences(config: &mut Config) {
    let settings = settings();
    if config.network.relays.is_empty() {
        let urls = settings.strv("relays");
        config.network.relays = urls.iter().filter_map(|url| url.parse().ok()).collect();
    }
    let nodes = settings.strv("bootstrap-nodes");
    let nodes = nodes.iter().filter_map(|node| parse_bootstrap(node));
    config.network.bootstrap.extend(nodes);
}

/// Reads the options, or says in a sentence which one makes no sense.
pub fn read_options(options: &glib::VariantDict) -> Result<Config, String> {
    let mut config = Config::default();
    let wrong = |option: &str, value: &str| {
        gettext("“{value}” is not a valid value for {option}")
            .replace("{value}", value)
            .replace("{option}", option)
    };
    if let Ok(Some(path)) = options.lookup::<PathBuf>("data-dir") {
        config.data_dir = std::path::absolute(&path).unwrap_or(path);
        config.has_own_data_dir = true;
    }
    if let Ok(Some(mode)) = options.lookup::<String>("mode") {
        config.network.mode = Some(mode.parse().map_err(|_| wrong("--mode", &mode))?);
    }
    for address in options
        .lookup::<Vec<String>>("bind")
        .ok()
        .flatten()
        .unwrap_or_default()
    {
        let parsed = address.parse().map_err(|_| wrong("--bind", &address))?;
        config.network.bind.push(parsed);
    }
    for peer in options
        .lookup::<Vec<String>>("peer")
        .ok()
        .flatten()
        .unwrap_or_default()
    {
        let hint = parse_peer(&peer).ok_or_else(|| wrong("--peer", &peer))?;
        config.network.peers.push(hint);
    }
    if options.contains("no-mdns") {
        config.network.mdns = false;
    }
    config.keeps_key_in_file = options.contains("key-file");
    Ok(config)
}

fn parse_peer(text: &str) -> Option<Hint> {
    parse_bootstrap(text).filter(|hint| !hint.addresses.is_empty())
}

/// Reads `ENDPOINT[@ADDR:PORT]`.
pub fn parse_bootstrap(text: &str) -> Option<Hint> {
    let (endpoint, addresses) = match text.split_once('@') {
        Some((endpoint, address)) => (endpoint, vec![address.parse().ok()?]),
        None => (text, Vec::new()),
    };
    Some(Hint {
        endpoint: endpoint.parse().ok()?,
        addresses,
        relay: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use reflection_node::Mode;
    use std::path::Path;

    #[test]
    fn options_become_a_configuration() {
        let options = glib::VariantDict::new(None);
        options.insert("data-dir", PathBuf::from("/tmp/somewhere"));
        options.insert("mode", "local");
        options.insert(
            "bind",
            vec!["127.0.0.1:0".to_owned(), "[::1]:4000".to_owned()],
        );
        options.insert("no-mdns", true);
        options.insert("peer", vec![format!("{}@192.0.2.1:9", "ab".repeat(32))]);
        let config = read_options(&options).unwrap();
        assert_eq!(config.data_dir, Path::new("/tmp/somewhere"));
        assert!(config.has_own_data_dir && !config.network.mdns && !config.keeps_key_in_file);
        assert_eq!(config.network.mode, Some(Mode::Local));
        assert_eq!(config.network.bind.len(), 2);
        assert_eq!(
            config.network.peers[0].addresses,
            ["192.0.2.1:9".parse().unwrap()]
        );
    }

    #[test]
    fn nonsense_is_named() {
        for (name, value) in [
            ("mode", "sideways"),
            ("bind", "here"),
            ("peer", "x@1.2.3.4:5"),
        ] {
            let options = glib::VariantDict::new(None);
            if name == "mode" {
                options.insert(name, value);
            } else {
                options.insert(name, vec![value.to_owned()]);
            }
            let sentence = read_options(&options).unwrap_err();
            assert!(
                sentence.contains(value) && sentence.contains(name),
                "{sentence}"
            );
        }
    }
}
