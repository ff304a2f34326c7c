// Decoded pictures to 8-bit RGB of a fixed size. Private to src/camera.
#pragma once

#include <cstdint>
#include <memory>

#include "eddy/result.hpp"
#include "src/camera/av.hpp"

namespace eddy::camera {

/// Stretched, bilinear; the same bytes for the same picture on every processor (swscale's bit-exact paths). Anew
/// whenever the pictures' size, format or colours change.
class Scaler {
public:
    /// 0 x 0: the picture's own size.
    Scaler(uint32_t width, uint32_t height) : width_(width), height_(height) {}

    /// Whether such a frame can be converted; cheap where the last one was like it.
    Status prepare(const AVFrame* frame);
    /// prepare() must have succeeded for this frame. Rows of width * 3 bytes. Throws std::bad_alloc.
    Result<std::shared_ptr<std::byte>> rgb(const AVFrame* frame);

private:
    struct Key {
        int width = 0, height = 0, format = -1, colourspace = -1, range = -1;
        friend bool operator==(const Key&, const Key&) = default;
    };
    Status create(const Key& key);

    uint32_t width_, height_;
    Key key_;
    av::Owned<SwsContext> context_;
    av::Owned<AVFrame> staging_;  ///< padded rows: swscale's vector code writes past a row's end
};

}  // namespace eddy::camera
