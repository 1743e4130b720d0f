// SPDX-License-Identifier: GPL-3.0-or-later
//! A document as a page: complete, readable by itself, and harmless.
//!
//! Whoever opens the page reads what several people wrote, so nothing in a text becomes markup
//! that Markdown does not make: HTML in it is shown as text, links lead to web pages and mail
//! alone, and pictures become links, since fetching one tells who reads. There are no scripts.

use pulldown_cmark::{CowStr, Event, LinkType, Parser, Tag, TagEnd};

use crate::engine::EXTENSIONS;

/// Small enough to be read in the page; follows the reader's light or dark colours. Each
/// paragraph runs in the direction of its own first letter.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
h1,h2,h3,h4,h5,h6{line-height:1.25}\
h1,h2,h3,h4,h5,h6,p,li,td,th,pre,blockquote{unicode-bidi:plaintext;text-align:start}\
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.5rem;overflow-wrap:normal}\
code{font-family:ui-monospace,monospace}\
blockquote{margin-inline:0;padding-inline-start:1rem;border-inline-start:.25rem solid}\
table{border-collapse:collapse}td,th{border:1px solid;padding:.25rem .5rem}\
.task-list-item{list-style:none}";

/// Forbids everything but the page's own style, whatever a text may have smuggled in.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A complete page with a text as Markdown.
pub fn html(title: &str, text: &str) -> String {
    let mut page = String::with_capacity(text.len() * 5 / 4 + 2_000);
    page.push_str("<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"");
    page.push_str(POLICY);
    page.push_str("\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    push_escaped(&mut page, title);
    page.push_str("</title>\n<style>");
    page.push_str(STYLE);
    page.push_str("</style>\n</head>\n<body>\n");
    let mut links = Vec::new();
    let events = Parser::new_ext(text, EXTENSIONS).filter_map(|event| harmless(event, &mut links));
    pulldown_cmark::html::push_html(&mut page, events);
    page.push_str("</body>\n</html>\n");
    page
}

/// Text in which nothing has a meaning to HTML.
fn push_escaped(page: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            letter => page.push(letter),
        }
    }
}

/// The same event without what could do harm. `links` remembers which open links are kept.
fn harmless<'a>(event: Event<'a>, links: &mut Vec<bool>) -> Option<Event<'a>> {
    match event {
        Event::Html(markup) | Event::InlineHtml(markup) => Some(Event::Text(markup)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let is_kept = leads_elsewhere_safely(link_type, &dest_url);
            links.push(is_kept);
            is_kept.then_some(Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        Event::Start(Tag::Image {
            dest_url,
            title,
            id,
            ..
        }) => {
            let is_kept =
                leads_elsewhere_safely(LinkType::Inline, &dest_url) && !links.contains(&true);
            links.push(is_kept);
            is_kept.then_some(Event::Start(Tag::Link {
                link_type: LinkType::Inline,
                dest_url,
                title,
                id,
            }))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => links
            .pop()
            .unwrap_or_default()
            .then_some(Event::End(TagEnd::Link)),
        other => Some(other),
    }
}

fn leads_elsewhere_safely(kind: LinkType, target: &CowStr<'_>) -> bool {
    if kind == LinkType::Email {
        return true;
    }
    let lower = target.trim().to_ascii_lowercase();
    ["https://", "http://", "mailto:", "#"]
        .iter()
        .any(|beginning| lower.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the page's body.
    fn body(text: &str) -> String {
        let page = html("", text);
        let (_, after) = page.split_once("<body>\n").unwrap_or_default();
        after
            .strip_suffix("</body>\n</html>\n")
            .unwrap_or_default()
            .to_owned()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(body(text).trim_end(), expected);
    }

    #[test]
    fn markdown_becomes_a_page() {
        check(
            "# Plan\n\nof *today*",
            "<h1>Plan</h1>\n<p>of <em>today</em></p>",
        );
        check(
            "[site](https://example.org/?a=1&b=2)",
            "<p><a href=\"https://example.org/?a=1&amp;b=2\">site</a></p>",
        );
        assert!(body("- [x] done").contains("checkbox"));
        assert!(body("|a|b|\n|-|-|\n|1|2|").contains("<table>"));
        let page = html("a < b & \"c\"", "");
        assert!(page.contains("<title>a &lt; b &amp; &quot;c&quot;</title>"));
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("charset=\"utf-8\""));
    }

    #[test]
    fn what_people_wrote_does_nothing() {
        check(
            "a <script>alert(1)</script> b",
            "<p>a &lt;script&gt;alert(1)&lt;/script&gt; b</p>",
        );
        check(
            "<img src=x onerror=alert(1)>",
            "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
        );
        check("[x](javascript:alert(1))", "<p>x</p>");
        check("[x](  JaVaScRiPt:alert(1))", "<p>x</p>");
        check("[x](data:text/html,hi)", "<p>x</p>");
        check("<javascript:alert(1)>", "<p>javascript:alert(1)</p>");
        check("[x](file:///etc/passwd)", "<p>x</p>");
        check(
            "![picture](https://example.org/p.png)",
            "<p><a href=\"https://example.org/p.png\">picture</a></p>",
        );
        check(
            "[![picture](https://example.org/p.png)](https://example.org/)",
            "<p><a href=\"https://example.org/\">picture</a></p>",
        );
        for text in [
            "```\"><script>\nx\n```",
            "[a](https://x/\"><script>)",
            "[a](https://x 'y\"><script>')",
            "<div>\n<script>alert(1)\n</div>",
            "<!-- <script> -->",
            "<style>*{}</style>",
            "[^\"><script>]\n\n[^\"><script>]: x",
        ] {
            let body = body(text);
            assert!(
                !body.contains("<script") && !body.contains("<style"),
                "{body}"
            );
        }
    }
}
