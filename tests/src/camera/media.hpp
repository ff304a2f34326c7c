// What the camera tests look at: small videos and pictures, made by FFmpeg's own sources and encoders when the test
// runs, and folders that go away with the test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/camera/frame_reader.hpp"

namespace eddy::camera::test {

/// A folder under the system's temporary one, deleted at the end.
class TempFolder {
public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

struct Video {
    std::string graph = "testsrc2=size=160x120:rate=10";  ///< a lavfi source
    uint64_t frames = 12;
    std::string encoder = "mpeg4";
    std::string pixels = "yuv420p";
};

/// Encodes the video into `path`, whose ending chooses the container. Throws std::runtime_error.
void write_video(const std::string& path, const Video& video = {});

/// A picture of the given size: a gradient that differs with `seed`.
Picture gradient(uint32_t width, uint32_t height, uint32_t seed);

std::vector<uint8_t> bytes_of(const HostTensor& image);
/// Every frame of the input at 64 x 48 until its end, at most `count`.
std::vector<std::vector<uint8_t>> frames_of(const std::string& input, uint64_t count, bool loop = false);
inline ReaderOptions small_images(bool loop = false) {
    ReaderOptions options;
    options.width = 64;
    options.height = 48;
    options.loop = loop;
    return options;
}

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace eddy::camera::test
