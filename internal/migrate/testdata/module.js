export default {
  name: 'call',
  servers: Object.freeze({
    iceServers: [ 'stun:stun.example.org', 'stun:stun.example.org:3478', { urls: 'turn:[2001:db8::5]:3478', username: 'v6', credential: 'SecretOfTheModule' } ],
    iceCandidatePoolSize: 2,
  }),
}
