http_default_host = "meet.jitsi"

external_service_secret = "SecretOfJitsiInDocker";


external_services = {
  
    {
        type = "stun",
        host = "stun.example.org",
        port = 443,
        transport = "udp"
    }
  
    
      
        
          , 
          
        
        { type = "turn", host = "turn1.example.org", port = 443, transport = "tcp", secret = true, ttl = 86400, algorithm = "turn" }
        
      , { type = "turn", host = "turn2.example.org", port = 443, transport = "tcp", secret = true, ttl = 86400, algorithm = "turn" }
      , { type = "turns", host = "turn1.example.org", port = 443, transport = "tcp", secret = true, ttl = 86400, algorithm = "turn" }
      , { type = "turns", host = "turn1.example.org", port = 443, transport = "udp", secret = true, ttl = 86400, algorithm = "turn" }
};
