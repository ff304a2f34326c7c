#include "src/camera/scaler.hpp"

#include <cstring>

#include "eddy/tensor.hpp"

namespace eddy::camera {
namespace {

// Fixed for good: models see other pixels under other flags.
constexpr int flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

}  // namespace

Status Scaler::prepare(const AVFrame* frame) {
    const Key key{frame->width, frame->height, frame->format, frame->colorspace, frame->color_range};
    if (context_ && key == key_) return success();
    context_.reset();
    if (auto status = create(key); !status) {
        context_.reset();
        return status;
    }
    key_ = key;
    return success();
}

Status Scaler::create(const Key& key) {
    av::LogScope log;
    const auto format = static_cast<AVPixelFormat>(key.format);
    const int width = width_ == 0 ? key.width : static_cast<int>(width_);
    const int height = height_ == 0 ? key.height : static_cast<int>(height_);

    context_.reset(sws_getContext(key.width, key.height, format, width, height, AV_PIX_FMT_RGB24, flags, nullptr,
                                  nullptr, nullptr));
    if (!context_) {
        return unsupported("cannot be converted to RGB: " + av::reason(AVERROR(EINVAL), log));
    }
    // The frame's own matrix and range, where it tells them. A context made from a "yuvj" or grey format knows already
    // that its range is full. Has no effect on RGB, which needs none.
    int* inverse = nullptr;
    int* table = nullptr;
    int source_full = 0, target_full = 0, brightness = 0, contrast = 0, saturation = 0;
    if (sws_getColorspaceDetails(context_.get(), &inverse, &source_full, &table, &target_full, &brightness, &contrast,
                                 &saturation) >= 0) {
        // "RGB" on a YUV picture is a mislabelled conversion.
        const bool told = key.colourspace != AVCOL_SPC_UNSPECIFIED && key.colourspace != AVCOL_SPC_RGB;
        const int matrix = told ? key.colourspace : SWS_CS_DEFAULT;
        if (key.range == AVCOL_RANGE_JPEG) source_full = 1;
        sws_setColorspaceDetails(context_.get(), sws_getCoefficients(matrix), source_full, table, target_full,
                                 brightness, contrast, saturation);
    }

    staging_.reset(av_frame_alloc());
    if (!staging_) return exhausted("out of memory");
    staging_->format = AV_PIX_FMT_RGB24;
    staging_->width = width;
    staging_->height = height;
    const int code = av_frame_get_buffer(staging_.get(), 64);
    if (code < 0) return exhausted(av::reason(code));
    return success();
}

Result<std::shared_ptr<std::byte>> Scaler::rgb(const AVFrame* frame) {
    EDDY_ASSERT(context_ && staging_);
    av::LogScope log;
    const int rows =
        sws_scale(context_.get(), frame->data, frame->linesize, 0, frame->height, staging_->data, staging_->linesize);
    if (rows != staging_->height) return internal("swscale: " + av::reason(rows < 0 ? rows : AVERROR(EINVAL), log));
    const size_t row_bytes = static_cast<size_t>(staging_->width) * 3;
    auto bytes = allocate_bytes(row_bytes * static_cast<size_t>(staging_->height));
    for (int y = 0; y < staging_->height; ++y) {
        std::memcpy(bytes.get() + row_bytes * static_cast<size_t>(y),
                    staging_->data[0] + static_cast<ptrdiff_t>(staging_->linesize[0]) * y, row_bytes);
    }
    return bytes;
}

}  // namespace eddy::camera
