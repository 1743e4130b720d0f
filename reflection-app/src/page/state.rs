// SPDX-License-Identifier: GPL-3.0-or-later
//! The few words below the title that say how things stand, and no more than is known.

use gettextrs::{gettext, ngettext};
use reflection_doc::objects::{SaveState, Trouble};

/// What is known of a document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Whether what was typed is on the disk.
    pub save_state: SaveState,
    /// What is wrong.
    pub trouble: Trouble,
    /// Whether nothing of it has arrived yet.
    pub is_waiting: bool,
    /// How many others have it open.
    pub people_here: u32,
    /// How many other devices are connected, whether or not somebody has it open there.
    pub devices_connected: u32,
    /// How many others take part, here or not.
    pub people: u32,
    /// Whether no connection is wanted.
    pub is_offline: bool,
}

/// What to say of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// A few words.
    pub label: String,
    /// A sentence or two, for whoever wants to know more.
    pub explanation: String,
}

impl Facts {
    /// The state in words. What needs attention comes first.
    pub fn state(&self) -> State {
        let state = |label: String, explanation: String| State { label, explanation };
        if self.trouble == Trouble::NotLoaded && self.save_state == SaveState::Failing {
            return state(
                gettext("Not saved"),
                gettext(
                    "The document cannot be read from the disk. What you wrote can still be copied.",
                ),
            );
        }
        if self.trouble != Trouble::Nothing && self.save_state == SaveState::Failing {
            return state(
                gettext("Not saved"),
                gettext("The last changes are not on the disk. Reflection goes on trying."),
            );
        }
        if self.save_state != SaveState::Saved {
            return state(
                gettext("Saving…"),
                gettext("The last changes are on their way to the disk."),
            );
        }
        if self.people_here > 0 {
            let count = self.people_here.to_string();
            let label = ngettext(
                "With {count} person",
                "With {count} people",
                self.people_here,
            );
            let explanation = ngettext(
                "Saved on this device. {count} other person has the document open.",
                "Saved on this device. {count} other people have the document open.",
                self.people_here,
            );
            let fill = |text: String| text.replace("{count}", &count);
            return state(fill(label), fill(explanation));
        }
        if self.is_waiting {
            return state(
                gettext("Waiting for the others"),
                gettext("Nobody who has this document is connected."),
            );
        }
        if self.is_offline {
            return state(
                gettext("Saved here · Offline"),
                gettext("Saved on this device. Reflection does not connect to anybody."),
            );
        }
        if self.devices_connected > 0 {
            let explanation = ngettext(
                "Saved on this device. {count} other device is connected, and nobody else has the document open.",
                "Saved on this device. {count} other devices are connected, and nobody else has the document open.",
                self.devices_connected,
            );
            return state(
                gettext("Saved here · Connected"),
                explanation.replace("{count}", &self.devices_connected.to_string()),
            );
        }
        if self.people > 0 {
            return state(
                gettext("Saved here · Not connected"),
                gettext("Saved on this device. None of the others is connected."),
            );
        }
        state(gettext("Saved here"), gettext("Saved on this device."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: Facts, expected: &str) {
        assert_eq!(facts.state().label, expected, "{facts:?}");
    }

    #[test]
    fn what_needs_attention_comes_first() {
        let saved = Facts::default();
        check(saved, "Saved here");
        check(
            Facts {
                is_offline: true,
                ..saved
            },
            "Saved here · Offline",
        );
        check(Facts { people: 2, ..saved }, "Saved here · Not connected");
        check(
            Facts {
                people: 2,
                people_here: 1,
                ..saved
            },
            "With 1 person",
        );
        check(
            Facts {
                people_here: 3,
                ..saved
            },
            "With 3 people",
        );
        let elsewhere = Facts {
            people: 2,
            devices_connected: 1,
            ..saved
        };
        check(elsewhere, "Saved here · Connected");
        check(
            Facts {
                people_here: 1,
                ..elsewhere
            },
            "With 1 person",
        );
        check(
            Facts {
                is_waiting: true,
                people: 1,
                ..saved
            },
            "Waiting for the others",
        );
        let saving = Facts {
            save_state: SaveState::Saving,
            people_here: 1,
            ..saved
        };
        check(saving, "Saving…");
        check(
            Facts {
                save_state: SaveState::Failing,
                trouble: Trouble::DiskFull,
                ..saving
            },
            "Not saved",
        );
    }
}
