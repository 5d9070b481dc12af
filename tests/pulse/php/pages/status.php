<?php
http_response_code(404);
header('X-Reason: none');
header('X-Reason: two', false);
header_remove('X-Powered-By');
echo json_encode([http_response_code(), headers_sent(), headers_list()]), "\n";
