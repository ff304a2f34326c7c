// What a finished frame says: the small, post-processed result that travels to the source.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eddy {

/// A class with its score in [0, 1].
struct ClassScore {
    uint32_t label = 0;  ///< index into the model's labels
    float score = 0;
    friend bool operator==(const ClassScore&, const ClassScore&) = default;
};

/// A box in fractions of the frame: 0 <= x0 <= x1 <= 1, likewise y.
struct Detection {
    uint32_t label = 0;
    float score = 0;
    float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    friend bool operator==(const Detection&, const Detection&) = default;
};

inline constexpr size_t classes_max = 16;
inline constexpr size_t detections_max = 256;
/// Bound of an encoded result on the wire.
inline constexpr uint64_t result_bytes_max = 64 * 1024;

/// One of the lists is empty, depending on what kind of model it was.
struct Inference {
    std::vector<ClassScore> classes;    ///< best first, at most classes_max
    std::vector<Detection> detections;  ///< best first, at most detections_max
    friend bool operator==(const Inference&, const Inference&) = default;
};

}  // namespace eddy
