// A real RTSP camera for tests: RTSP 1.0 over TCP with interleaved RTP, packetised by FFmpeg's RTP muxer, one client at
// a time, on loopback. It can fall silent, and it can be killed and started again on the same port.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace eddy::camera::test {

class RtspServer {
public:
    struct Behaviour {
        bool answers = true;               ///< false: accepts connections and says nothing
        uint64_t frames_max = UINT64_MAX;  ///< silent after so many in a session, but the connection stays
        int status = 200;                  ///< of DESCRIBE; 404: no such stream
    };
    /// Port 0: chosen by the system. Throws std::runtime_error.
    explicit RtspServer(uint16_t port, Behaviour behaviour);
    RtspServer() : RtspServer(0, {}) {}
    ~RtspServer();  ///< closes everything at once, as a killed server's kernel does
    RtspServer(const RtspServer&) = delete;
    RtspServer& operator=(const RtspServer&) = delete;

    [[nodiscard]] uint16_t port() const { return port_; }
    /// Until a client is connected, now or ever. False: none came within 30 s.
    bool wait_for_client();
    [[nodiscard]] std::string url() const { return "rtsp://127.0.0.1:" + std::to_string(port_) + "/live"; }

private:
    void serve();
    void session(int client);

    Behaviour behaviour_;
    int listener_ = -1;
    int wake_[2] = {-1, -1};  ///< a pipe: readable when the server is to end
    uint16_t port_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool had_client_ = false;  ///< by mutex_
    std::thread thread_;
};

}  // namespace eddy::camera::test
