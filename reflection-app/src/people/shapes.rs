// SPDX-License-Identifier: GPL-3.0-or-later
//! The outlines of people.

use std::f32::consts::PI;

use gtk::{graphene, gsk};
use reflection_doc::persona::SHAPES;

/// The outline with this index in a square of `size` whose corner is at (`x`, `y`); indexes
/// beyond the last one begin again.
pub fn outline(index: u32, x: f32, y: f32, size: f32) -> gsk::Path {
    let builder = gsk::PathBuilder::new();
    let radius = size / 2.0;
    let centre = graphene::Point::new(x + radius, y + radius);
    match index % SHAPES {
        0 => builder.add_circle(&centre, radius),
        1 => {
            let length = size * 0.90;
            let inset = (size - length) / 2.0;
            let bounds = graphene::Rect::new(x + inset, y + inset, length, length);
            builder.add_rounded_rect(&gsk::RoundedRect::from_rect(bounds, size * 0.22));
        }
        2 => polygon(&builder, centre, radius * 1.04, 6, 0.0),
        3 => polygon(&builder, centre, radius * 1.2, 4, 0.0),
        4 => polygon(
            &builder,
            graphene::Point::new(x + radius, y + radius + size * 0.03),
            radius * 1.08,
            5,
            0.0,
        ),
        _ => {
            // A drop: round but for one corner.
            let full = graphene::Size::new(radius, radius);
            let small = graphene::Size::new(size * 0.08, size * 0.08);
            let bounds = graphene::Rect::new(x, y, size, size);
            builder.add_rounded_rect(&gsk::RoundedRect::new(bounds, full, full, small, full));
        }
    }
    builder.to_path()
}

/// A regular polygon with round corners, one of them at the top turned by `turn`.
fn polygon(
    builder: &gsk::PathBuilder,
    centre: graphene::Point,
    radius: f32,
    corners: u16,
    turn: f32,
) {
    /// How much of each side belongs to the round corners at its ends.
    const ROUNDING: f32 = 0.22;
    let corner = |number: u16| {
        let angle = turn - PI / 2.0 + 2.0 * PI * f32::from(number) / f32::from(corners);
        (
            centre.x() + radius * angle.cos(),
            centre.y() + radius * angle.sin(),
        )
    };
    let between = |(from_x, from_y): (f32, f32), (to_x, to_y): (f32, f32), part: f32| {
        (
            from_x + (to_x - from_x) * part,
            from_y + (to_y - from_y) * part,
        )
    };
    let (start_x, start_y) = between(corner(0), corner(1), ROUNDING);
    builder.move_to(start_x, start_y);
    for number in 1..=corners {
        let (this, next) = (corner(number), corner(number + 1));
        let (end_x, end_y) = between(corner(number - 1), this, 1.0 - ROUNDING);
        builder.line_to(end_x, end_y);
        let (out_x, out_y) = between(this, next, ROUNDING);
        builder.quad_to(this.0, this.1, out_x, out_y);
    }
    builder.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outline_fills_its_square_and_stays_near_it() {
        for index in 0..SHAPES {
            let path = outline(index, 10.0, 10.0, 30.0);
            // With the points that only steer the curves.
            let bounds = path.bounds();
            assert!(bounds.is_some_and(|bounds| {
                bounds.width() > 24.0
                    && bounds.height() > 24.0
                    && bounds.x() > 6.0
                    && bounds.y() > 6.0
            }));
        }
    }
}
