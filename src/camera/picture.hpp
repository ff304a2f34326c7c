// Pictures for people: full-size RGB, boxes with labels drawn on them, PNG and JPEG files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"

namespace eddy::camera {

/// 8-bit RGB, rows of width * 3 bytes without padding. Immutable, cheap to copy.
struct Picture {
    uint32_t width = 0;
    uint32_t height = 0;
    SharedBytes rgb;
};

/// A box in fractions of the picture (clamped to it), with its text above.
struct LabelledBox {
    float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    std::string label;
    float score = 0;      ///< written after the label with two digits
    uint32_t colour = 0;  ///< any number: equal numbers get equal colours (use the class)
};

struct Annotation {
    std::vector<LabelledBox> boxes;  ///< at most detections_max (eddy/inference.hpp)
    std::vector<std::string> lines;  ///< written in the upper left corner, at most 16: a classifier's answers
};

/// A copy of `picture` with the annotation drawn on it. Error: no font (install fonts-dejavu-core), or bounds broken.
Result<Picture> annotate(const Picture& picture, const Annotation& annotation);

/// Writes .png, .jpg or .jpeg, by the name's end. The folder must exist; an existing file is replaced.
Status write_picture(const Picture& picture, const std::string& path);

/// Reads a picture at its own size, in any format FFmpeg knows.
Result<Picture> read_picture(const std::string& path);

}  // namespace eddy::camera
